// Each of the 23 client events, by its real cause, in every SDK that has it, at
// the room and at the participant. docs/compat.md is what this saw:
// ROLLCALL_UPDATE=1 writes it, any other run compares.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { netScene } from '../harness/scene.mjs';
import { PyParticipant } from '../../sdk/harness/pyparticipant.mjs';
import { RustParticipant } from '../../sdk/harness/rustparticipant.mjs';
import { browsers, cannotMute, documented, events, limit, record, render, scopes, sdks } from '../harness/compat.mjs';
import { exported } from '../../sdk/harness/exported.mjs';
import { wantAudio, wantVideo } from '../../sdk/harness/media.mjs';
import { waitFor } from '../../sdk/harness/wait.mjs';

// An SDK that cannot mute its own tracks has the server do it.
const stage = netScene({ timeout: 600_000, server: { room: { departure_timeout: 60, enable_remote_unmute: true } } });
const patience = 60_000;

// What each SDK calls an event in what the harness records.
const recorded = {
  ParticipantConnected: 'participantConnected', ParticipantDisconnected: 'participantDisconnected',
  Reconnecting: 'reconnecting', Reconnected: 'reconnected', Disconnected: 'disconnected',
  TrackPublished: 'trackPublished', TrackUnpublished: 'trackUnpublished', TrackSubscribed: 'trackSubscribed',
  TrackUnsubscribed: 'trackUnsubscribed', TrackMuted: 'trackMuted', TrackUnmuted: 'trackUnmuted',
  LocalTrackPublished: 'localTrackPublished', LocalTrackUnpublished: 'localTrackUnpublished',
  ActiveSpeakersChanged: 'activeSpeakers', IsSpeakingChanged: 'isSpeaking', ConnectionQualityChanged: 'connectionQuality',
  ParticipantAttributesChanged: 'attributes', ParticipantMetadataChanged: 'metadata', RoomMetadataChanged: 'roomMetadata',
  DataReceived: 'data', TrackStreamStateChanged: 'streamState', TrackSubscriptionPermissionChanged: 'subscriptionPermission',
  ParticipantPermissionsChanged: 'permissions',
};

stage.test('every client event fires for its real cause in every SDK that has it', async (call, t) => {
  const seen = new Set();
  const causes = {};
  const failures = [];
  const home = await call.place('home');
  const den = await call.place('den');
  const away = await call.place('away');
  const hut = await call.place('hut');
  const watchers = {
    'livekit-client in Chromium': await call.browserAt(home, 'browser'),
    'livekit-client in Firefox': await call.firefoxAt(den, 'firefox'),
    // With one connection, the core of these three may deadlock when a track is taken back in the wrong moment.
    '@livekit/rtc-node': await call.node('node', { connections: 2 }),
    'livekit for Python': await PyParticipant.join(call.server, call.room, 'python', { connections: 2 }),
    'livekit for Rust': await RustParticipant.join(call.server, call.room, 'rust', { connections: 2 }),
    'server-sdk-go': await call.go('go'),
    'Rollcall\'s Go client': await call.rollcallAt(hut, 'rollcall'),
  };
  const everybody = Object.values(watchers);
  const inBrowser = browsers.map((sdk) => watchers[sdk]);
  for (const sdk of ['livekit for Python', 'livekit for Rust']) t.after(() => watchers[sdk].leave({ hard: true }));

  /**
   * Does what causes an event, and notes who tells it. fields: what it carries,
   * or a function of the watcher that says so. since: where to look from in what
   * a watcher has been told; after all of it by default.
   */
  async function provoke(cause, does, expected, since = (who) => who.events.list.length) {
    const from = new Map(everybody.map((who) => [who, since(who)]));
    const began = Date.now();
    const result = await does();
    t.diagnostic(`${cause}: done after ${Date.now() - began} ms`);
    await Promise.all(Object.entries(expected).flatMap(([event, fields]) => {
      causes[event] = cause;
      return sdks.flatMap((sdk) => scopes.filter((scope) => !limit(event, sdk, scope)).map(async (scope) => {
        const who = watchers[sdk];
        const name = `${scope === 'participant' ? 'participant:' : ''}${recorded[event]}`;
        const payload = typeof fields === 'function' ? fields(who, sdk, scope, result) : fields;
        try {
          await who.events.want(name, payload, { from: from.get(who), deadline: patience });
          seen.add(`${event} ${sdk} ${scope}`);
        } catch (error) {
          const what = `${event} at the ${scope} of ${sdk}: ${error.message}`;
          failures.push(what);
          t.diagnostic(what); // the rest may not come to its end
        }
      }));
    }));
    return result;
  }

  // The guest does what the others hear of; it is behind a cable of its own.
  const guest = await provoke('somebody joins', () => call.browserAt(away, 'guest'), {
    ParticipantConnected: (_, __, ___, joined) => ({ identity: 'guest', sid: joined.sid }),
  });
  const camera = { identity: 'guest', kind: 'video', source: 'camera' };
  await provoke('somebody publishes a camera', () => guest.publishCamera(), {
    TrackPublished: (_, __, ___, { sid }) => ({ ...camera, sid }),
    TrackSubscribed: (_, __, ___, { sid }) => ({ ...camera, sid }),
  });
  for (const who of everybody) await wantVideo(who, 'guest', 5, patience);

  await provoke('the client publishes a microphone',
    async () => new Map(await Promise.all(everybody.map(async (who) => [who, (await who.publishMicrophone()).sid]))),
    { LocalTrackPublished: (who, _, __, sids) => ({ sid: sids.get(who) }) });

  const speaks = {
    ActiveSpeakersChanged: { identities: (list) => list.includes('guest') },
    IsSpeakingChanged: { identity: 'guest', speaking: true },
  };
  const turnVolume = await guest.volumeControl();
  await provoke('somebody speaks', () => guest.publishMicrophone(), speaks);
  for (const who of everybody) await wantAudio(who, 'guest', patience);
  await provoke('somebody says nothing any more, with the microphone on', () => turnVolume(0), {
    ActiveSpeakersChanged: { identities: (list) => !list.includes('guest') },
    IsSpeakingChanged: { identity: 'guest', speaking: false },
    // A browser that had no processor for a second was silent before.
  }, (who) => who.events.list.findLastIndex((e) => (e.event.endsWith('isSpeaking') && e.identity === 'guest' && e.speaking) ||
    (e.event === 'activeSpeakers' && e.identities.includes('guest'))) + 1);
  await provoke('somebody speaks again', () => turnVolume(1), speaks);
  for (const who of everybody) assert.equal(who.events.all('trackMuted').length, 0, `${who.identity} was told of a mute`);
  causes.ActiveSpeakersChanged = causes.IsSpeakingChanged = 'somebody speaks, and is silent with the microphone on';

  const microphone = { identity: 'guest', source: 'microphone' };
  await provoke('somebody mutes a microphone', () => guest.setMuted('microphone', true), { TrackMuted: microphone });
  await provoke('somebody unmutes it', () => guest.setMuted('microphone', false), { TrackUnmuted: microphone });
  const muteOwn = (muted) => Promise.all(Object.entries(watchers).map(async ([sdk, who]) => {
    const { sid } = who.events.all('localTrackPublished').at(-1);
    if (inBrowser.includes(who)) await who.setMuted('microphone', muted);
    else if (cannotMute.includes(sdk)) await call.api.mutePublishedTrack(call.room, who.identity, sid, muted);
    else await who.mute(sid, muted);
  }));
  const own = ({ identity, events }) => ({ identity, sid: events.all('localTrackPublished').at(-1).sid });
  await provoke('the client mutes its own', () => muteOwn(true), { TrackMuted: own });
  await provoke('the client unmutes its own', () => muteOwn(false), { TrackUnmuted: own });
  causes.TrackMuted = 'somebody mutes a microphone; the client mutes its own';
  causes.TrackUnmuted = 'somebody unmutes it; the client unmutes its own';

  await provoke('somebody sets attributes', () => guest.setAttributes({ seat: '7' }), {
    ParticipantAttributesChanged: { identity: 'guest', changed: { seat: '7' } },
  });
  await provoke('somebody sets metadata', () => guest.setMetadata('of the guest'), {
    ParticipantMetadataChanged: { identity: 'guest', metadata: 'of the guest' },
  });
  await provoke('UpdateRoomMetadata', () => call.api.updateRoomMetadata(call.room, 'of the room'), {
    RoomMetadataChanged: { metadata: 'of the room' },
  });
  await provoke('somebody sends data', () => guest.sendData('hello', { reliable: true, topic: 'chat' }), {
    DataReceived: { from: 'guest', text: 'hello' },
  });
  await provoke('somebody forbids to subscribe', () => guest.allowSubscribers(false), {
    TrackSubscriptionPermissionChanged: { ...camera, status: 'not_allowed' },
  });
  await guest.allowSubscribers(true);
  for (const who of everybody) await wantVideo(who, 'guest', 5, patience);
  await provoke('the client unpublishes its microphone', async () => {
    const sids = new Map(everybody.map((who) => [who, who.events.all('localTrackPublished').at(-1).sid]));
    for (const who of everybody) await who.unpublish(inBrowser.includes(who) ? 'microphone' : sids.get(who));
    return sids;
  }, { LocalTrackUnpublished: (who, sdk, __, sids) => (sdk === '@livekit/rtc-node' ? {} : { sid: sids.get(who) }) });

  await provoke('UpdateParticipant takes the permission to publish away, from the watcher itself',
    async () => {
      const permission = { canPublish: false, canSubscribe: true, canPublishData: true };
      for (const identity of ['browser', 'firefox', 'python', 'rust', 'rollcall']) await call.api.updateParticipant(call.room, identity, { permission });
    }, { ParticipantPermissionsChanged: ({ identity }) => ({ identity, canPublish: false }) });

  // The network. Without the sound, which is never paused, the link is the video's.
  await guest.unpublish('microphone');
  // It may have fallen on a busy machine: it is to fall for the loss.
  await Promise.all(everybody.map((who) => waitFor(`${who.identity} to be told that the guest's quality is excellent`, async () => {
    const told = who.events.all('connectionQuality', { identity: 'guest' }).at(-1)?.quality;
    if (told === 'excellent') return true;
    throw new Error(`told ${told}`);
  }, patience)));
  await provoke('a quarter of what somebody sends is lost on the way', () => away.set({ up: { loss: 0.25 } }), {
    ConnectionQualityChanged: { identity: 'guest', quality: (quality) => ['good', 'poor'].includes(quality) },
  });
  await away.mend();
  // A client that had no processor for a while was paused for that: its video comes first.
  for (const who of everybody) await wantVideo(who, 'guest', 5, patience);
  const last = (who, state) => who.events.list.findLastIndex((e) => e.event === 'streamState' && e.state === state);
  await provoke('the link has no room for the video', async () => {
    for (const place of [home, den, hut]) await place.set({ down: { rate: 50_000, queue: 20_000 } });
  }, { TrackStreamStateChanged: { ...camera, state: 'paused' } }, (who) => last(who, 'active') + 1);
  for (const place of [home, den, hut]) await place.mend();
  await Promise.all(inBrowser.map((who) =>
    who.events.want('streamState', { identity: 'guest', state: 'active' }, { from: last(who, 'paused') + 1, deadline: patience })));

  await provoke('somebody unpublishes a camera', () => guest.unpublish('camera'), {
    TrackUnsubscribed: camera, TrackUnpublished: camera,
  });
  await provoke('somebody leaves', () => guest.leave(), { ParticipantDisconnected: { identity: 'guest', sid: guest.sid } });

  await provoke('the server is killed and comes back', async () => {
    await call.server.end('SIGKILL');
    await call.server.run();
  }, { Reconnecting: {}, Reconnected: {} });
  await provoke('DeleteRoom', () => call.api.deleteRoom(call.room), {
    Disconnected: { reason: 'ROOM_DELETED' },
  });

  assert.deepEqual(failures, []);
  assert.deepEqual(events.filter((event) => !causes[event]), [], 'events that nothing has provoked');
  const text = render(seen, causes);
  if (process.env.ROLLCALL_UPDATE) record(text);
  assert.equal(documented(), text, 'docs/compat.md is not what this run saw; ROLLCALL_UPDATE=1 writes it');
});

test('the table says that an SDK has no event exactly where it exports none', () => {
  const lists = {
    ...Object.fromEntries(browsers.map((sdk) => [sdk, exported.browser])),
    '@livekit/rtc-node': exported.node, 'livekit for Python': exported.python, 'livekit for Rust': exported.rust,
    'server-sdk-go': exported.go,
  };
  for (const [sdk, list] of Object.entries(lists)) {
    const has = list(events);
    for (const scope of scopes) {
      assert.deepEqual(events.filter((event) => !limit(event, sdk, scope)), has[scope], `${sdk}, ${scope}`);
    }
  }
});
