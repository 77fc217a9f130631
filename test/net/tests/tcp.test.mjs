// Firewalls that let no UDP through: media takes TCP.

import assert from 'node:assert/strict';
import { netScene, ports } from '../harness/scene.mjs';
import { hub } from '../harness/network.mjs';
import { wantAudio, wantVideo } from '../../sdk/harness/media.mjs';

const stage = netScene({ browser: false });

for (const [name, wall] of [['UDP to the media port', `udp dport ${ports.udp}`], ['all UDP', 'meta l4proto udp']]) {
  stage.test(`behind a firewall that blocks ${name}, media flows over TCP`, async (call) => {
    const office = await call.place('office');
    await office.block(wall);
    const alice = await call.browserAt(office, 'alice');
    const bob = await call.node('bob');
    for (const who of [alice, bob]) {
      await who.publishCamera();
      await who.publishMicrophone();
    }
    for (const [who, other] of [[alice, bob], [bob, alice]]) {
      await wantVideo(who, other.identity, 5, 30_000);
      await wantAudio(who, other.identity);
    }
    const routes = await alice.route();
    assert.deepEqual(routes.map((r) => [r.protocol, r.relay, r.remote]), routes.map(() => ['tcp', '', `${hub.ipv4}:${ports.tcp}`]));
    assert.ok(routes.length > 0);
  });
}
