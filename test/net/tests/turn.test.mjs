// Firewalls that let neither media port through: the relay is the way.

import assert from 'node:assert/strict';
import { netScene, ports } from '../harness/scene.mjs';
import { hub } from '../harness/network.mjs';
import { certificate } from '../harness/certificate.mjs';
import { wantAudio, wantVideo } from '../../sdk/harness/media.mjs';
import { waitFor } from '../../sdk/harness/wait.mjs';

const domain = 'turn.test';
const { certFile, keyFile, flags } = certificate(domain);
const browserFlags = [...flags, `--host-resolver-rules=MAP ${domain} ${hub.ipv4}`];
const stage = netScene({
  browser: false,
  server: {
    development: true, // for its counters
    turn: {
      enabled: true, udp_port: ports.turn, tls_port: ports.turns, domain, cert_file: certFile, key_file: keyFile,
    },
  },
});

const media = `udp dport ${ports.udp}`;
const iceTCP = `tcp dport ${ports.tcp}`;
const walls = [
  { name: 'nothing', block: [], protocol: 'udp', relay: '' },
  { name: 'both media ports', block: [media, iceTCP], protocol: 'udp', relay: 'udp' },
  { name: 'all UDP, and all TCP but signalling and TURN', block: ['meta l4proto udp', iceTCP], protocol: 'udp', relay: 'tls' },
];

for (const wall of walls) {
  stage.test(`behind a firewall that blocks ${wall.name}, media flows both ways`, async (call) => {
    const office = await call.place('office');
    if (wall.block.length) await office.block(...wall.block);
    const alice = await call.browserAt(office, 'alice', { flags: browserFlags });
    const bob = await call.node('bob');
    await publishBoth(alice, bob);
    await wantBoth(alice, bob);
    const routes = await alice.route();
    assert.ok(routes.length > 0);
    for (const { name, protocol, relay } of routes) {
      assert.deepEqual({ name, protocol, relay }, { name, protocol: wall.protocol, relay: wall.relay });
    }
    if (wall.relay) await carriesMedia(call.server);
    assert.equal((await relayStats(call.server)).forbidden, 0, 'clients ask for nothing but media');
    await alice.leave();
    await bob.leave();
    await waitFor('the relays to end with the session', async () => (await relayStats(call.server)).relays === 0);
  });
}

stage.test('the Go SDK and rtc-node go through the relay as well', async (call) => {
  const [goOffice, nodeOffice] = [await call.place('go'), await call.place('node')];
  for (const office of [goOffice, nodeOffice]) await office.block(media, iceTCP);
  const go = await call.goAt(goOffice, 'go');
  const node = await call.nodeAt(nodeOffice, 'node');
  await publishBoth(go, node);
  await wantBoth(go, node);
  await carriesMedia(call.server);
  const { relays, connections } = await relayStats(call.server);
  assert.ok(relays >= 2 && connections === 0, `${relays} relays, ${connections} connections`);
});

stage.test('a firewall that closes one way after the other does not end the call', async (call) => {
  const office = await call.place('office');
  const alice = await call.browserAt(office, 'alice', { flags: browserFlags });
  const bob = await call.node('bob');
  await publishBoth(alice, bob);
  await wantBoth(alice, bob);
  const blocked = [];
  for (const ways of [[media], [iceTCP, `udp dport ${ports.turn}`]]) {
    blocked.push(...ways);
    await office.block(...blocked);
    // What was on its way may still arrive.
    await waitFor('no way through the wall to be used', async () => {
      const routes = await alice.route();
      return routes.length > 0 && routes.every((route) => !goesThrough(route, blocked));
    }, 120_000);
    await wantBoth(alice, bob);
  }
  for (const route of await alice.route()) assert.equal(route.relay, 'tls');
  assert.equal((await alice.view()).local.sid, alice.sid, 'the same session');
  const seen = bob.events.list.filter((e) => /^participant(Disconnected|Connected)/.test(e.event) && e.identity === 'alice');
  assert.deepEqual(seen.map((e) => e.event), ['participantConnected'].slice(seen.length ? 0 : 1), 'bob notices nothing');
  assert.equal(bob.events.all(['trackUnsubscribed', 'trackUnpublished']).length, 0);
});

stage.inBothModes('who asks for TLS alone goes through the relay over TLS, with no firewall in the way', async (call) => {
  const office = await call.place('office');
  const alice = await call.browserAt(office, 'alice', { flags: browserFlags });
  const bob = await call.node('bob');
  await publishBoth(alice, bob);
  await wantBoth(alice, bob);
  assert.deepEqual([...new Set((await alice.route()).map(({ relay }) => relay))], ['']);
  await alice.simulate('force-tls');
  await alice.events.want('reconnected', {}, { deadline: 60_000 });
  await waitFor('alice to see bob again', async () => (await alice.view()).remotes.some((p) => p.identity === 'bob'));
  await wantBoth(alice, bob);
  const routes = await alice.route();
  assert.equal(routes.length, call.connections);
  for (const { name, relay } of routes) assert.deepEqual({ name, relay }, { name, relay: 'tls' });
  await carriesMedia(call.server);
});

/** Whether a route uses one of the blocked ways. */
function goesThrough({ protocol, relay }, blocked) {
  const way = relay === 'tls' ? '' : relay === 'udp' ? `udp dport ${ports.turn}` : protocol === 'tcp' ? iceTCP : media;
  return blocked.includes(way);
}

async function publishBoth(...all) {
  for (const who of all) {
    await who.publishCamera();
    await who.publishMicrophone();
  }
}

async function wantBoth(alice, bob) {
  for (const [who, other] of [[alice, bob], [bob, alice]]) {
    await wantVideo(who, other.identity, 5, 60_000);
    await wantAudio(who, other.identity);
  }
}

/** Waits until the relay has carried more, each way, than pings are. */
async function carriesMedia(server) {
  const before = await relayStats(server);
  await waitFor('media to go through the relay', async () => {
    const now = await relayStats(server);
    if (now.relays > 0 && now.bytesUp > before.bytesUp + 10_000 && now.bytesDown > before.bytesDown + 10_000) return true;
    throw new Error(JSON.stringify(now));
  });
}

async function relayStats(server) {
  const response = await fetch(`${server.url}/debug/stats`);
  return (await response.json()).server.relay;
}
