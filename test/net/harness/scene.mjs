// One file's stage, as in test/sdk, with a server that listens on the hub and
// participants in places of their own.

import { scene } from '../../sdk/harness/scene.mjs';
import { Browser } from '../../sdk/harness/browser.mjs';
import { Firefox } from '../../sdk/harness/firefox.mjs';
import { GoParticipant, RollParticipant } from '../../sdk/harness/goparticipant.mjs';
import { goParticipant, rollParticipant } from '../../sdk/harness/paths.mjs';
import { hub, Place } from './network.mjs';
import { RemoteNodeParticipant } from './remotenode.mjs';

/** The ports of every server here: nobody else has any. */
export const ports = { http: 7880, tcp: 7881, udp: 7882, turn: 3478, turns: 5349 };

/** Sets the stage; server: keys of the server's configuration, by section, on top of the usual ones. */
export function netScene({ server = {}, ...options } = {}) {
  if (process.env.ROLLCALL_NET !== 'inside') throw new Error('start these tests with test/net/run.mjs');
  const { rtc, ...rest } = server;
  const stage = scene({
    ...options,
    config: {
      port: ports.http,
      bind_addresses: [],
      rtc: { udp_port: ports.udp, tcp_port: ports.tcp, interfaces: { includes: ['lan'] }, ips: { includes: ['10.77.0.0/16'] }, ...rtc },
      ...rest,
    },
    // From here the server is on loopback; the places reach it at the hub.
    signalHost: hub.ipv4,
  });
  const plain = stage.test;
  stage.test = (rule, body, connections) => plain(rule, async (call, t) => {
    const ends = [];
    try {
      await body(withPlaces(call, ends), t);
    } finally {
      await call.end();
      for (const end of ends.reverse()) await end();
    }
  }, connections);
  return stage;
}

function withPlaces(call, ends) {
  const { connections } = call; // how many peer connections SDKs make; undefined: as many as they do by themselves
  return Object.assign(call, {
    /** A namespace behind a cable, gone with the test. */
    async place(name) {
      const place = await Place.make(name);
      ends.push(() => place.close());
      return place;
    },

    /** Chromium in a place, not joined yet; flags: more of its command line. */
    async strangerAt(place, identity, { flags = [] } = {}) {
      const browser = await Browser.start({
        executablePath: place.launcher(process.env.CHROMIUM ?? '/usr/bin/chromium'), pagesIn: place.path, flags,
      });
      ends.push(() => browser.close());
      return browser.participant(identity, { connections });
    },

    /** Chromium in a place, joined; connect: options of the SDK's connect. */
    async browserAt(place, identity, { token, connect, ...options } = {}) {
      const participant = await call.strangerAt(place, identity, options);
      await participant.enter(call.server, call.room, token, connect);
      return participant;
    },

    /** Firefox in a place, joined. */
    async firefoxAt(place, identity, { token, connect } = {}) {
      const browser = await Firefox.start({
        executablePath: place.launcher(process.env.FIREFOX ?? '/usr/bin/firefox-esr'), pagesIn: place.path,
      });
      ends.push(() => browser.close());
      const participant = await browser.participant(identity, { connections });
      await participant.enter(call.server, call.room, token, connect);
      return participant;
    },

    async goAt(place, identity, token) {
      const participant = await GoParticipant.join(call.server, call.room, identity, { connections, ...token }, place.launcher(goParticipant));
      ends.push(() => participant.leave({ hard: true }));
      return participant;
    },

    async rollcallAt(place, identity, token) {
      const participant = await RollParticipant.join(call.server, call.room, identity, { connections, ...token }, place.launcher(rollParticipant));
      ends.push(() => participant.leave({ hard: true }));
      return participant;
    },

    async nodeAt(place, identity, token) {
      const participant = await RemoteNodeParticipant.join(call.server, call.room, identity, { connections, ...token }, place);
      ends.push(() => participant.leave({ hard: true }));
      return participant;
    },
  });
}
