// A server behind NAT that asks for its external address, with ICE-lite, and one
// that is reached by IPv6 alone.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Browser } from '../../sdk/harness/browser.mjs';
import { wantVideo } from '../../sdk/harness/media.mjs';
import { Server } from '../../sdk/harness/server.mjs';
import { hub, Place, run } from '../harness/network.mjs';
import { ports } from '../harness/scene.mjs';

const outside = '10.77.0.99'; // what the world knows the server as
const stun = { port: 3479, file: fileURLToPath(new URL('../harness/stun.mjs', import.meta.url)) };
const ends = [];
let place;

before(async () => { place = await Place.make('world'); });
after(async () => {
  for (const end of ends.reverse()) await end();
  await place.close();
});

/** A server at addresses of the hub, and two browsers in the world who meet there. */
async function meet({ rtc, signalHost }) {
  const server = await Server.start({
    port: ports.http, bind_addresses: [],
    rtc: { udp_port: ports.udp, tcp_port: ports.tcp, interfaces: { includes: ['lan'] }, ...rtc },
  });
  server.ws = `ws://${signalHost}:${ports.http}`;
  const browser = await Browser.start({
    executablePath: place.launcher(process.env.CHROMIUM ?? '/usr/bin/chromium'), pagesIn: place.path,
  });
  try {
    const [alice, bob] = [await browser.join(server, 'meeting', 'alice'), await browser.join(server, 'meeting', 'bob')];
    for (const [who, other] of [[alice, bob], [bob, alice]]) {
      await who.publishCamera();
      await wantVideo(other, who.identity, 5, 60_000);
    }
    return (await alice.route()).map((route) => route.remote);
  } finally {
    await browser.close();
    await server.close();
  }
}

/**
 * All remotes are the address, at the one port. Chromium shows none that a check found before it was told of the candidate.
 */
function assertOnly(remotes, address) {
  const other = remotes.filter((remote) => ![`${address}:${ports.udp}`, `:${ports.udp}`].includes(remote));
  assert.deepEqual(other, [], `clients are told ${address} only`);
  assert.ok(remotes.length > 0);
}

for (const lite of [false, true]) {
  test(`behind NAT the server finds its address by STUN${lite ? ', and media flows with ICE-lite' : ''}`, { timeout: 180_000 }, async () => {
    const world = spawn('nsenter', [`--net=${place.path}`, '--', process.execPath, stun.file, place.ipv4, stun.port], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(world.stdout, 'data');
    ends.push(() => world.kill());
    run('ip', 'addr', 'replace', `${outside}/16`, 'dev', 'lan');
    place.nft('nat', `table ip nat
delete table ip nat
table ip nat {
  chain in { type nat hook prerouting priority dstnat; ip daddr ${outside} dnat to ${hub.ipv4}; }
  chain out { type nat hook postrouting priority srcnat; udp dport ${stun.port} snat to ${outside}; }
}`, { here: true });
    try {
      const remotes = await meet({
        rtc: {
          ips: { includes: [`${hub.ipv4}/32`] }, use_external_ip: true, stun_servers: [`${place.ipv4}:${stun.port}`], use_ice_lite: lite,
        },
        signalHost: outside,
      });
      assertOnly(remotes, outside);
    } finally {
      if (world.exitCode === null && world.signalCode === null) {
        world.kill(); // the next one has its address
        await once(world, 'exit');
      }
    }
  });
}

test('a server that is reached by IPv6 alone', { timeout: 180_000 }, async () => {
  const remotes = await meet({ rtc: { ips: { includes: ['fd77::/64'] } }, signalHost: `[${hub.ipv6}]` });
  assertOnly(remotes.map((remote) => remote.replace(/[[\]]/g, '')), hub.ipv6);
});
