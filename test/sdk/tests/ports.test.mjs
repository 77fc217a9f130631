// A range of UDP ports in place of the one: each connection has a port of its own.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantAudio, wantVideo } from '../harness/media.mjs';
import { freePort, freeRange } from '../harness/server.mjs';

const count = 40;
const start = await freeRange(count);
const stage = scene({
  config: {
    rtc: {
      port_range_start: start, port_range_end: start + count - 1, tcp_port: await freePort('tcp'),
      node_ip: '127.0.0.1', enable_loopback_candidate: true,
    },
  },
});

stage.inBothModes('in a range of ports everybody has their own, and hears and sees the others', async (call) => {
  const browsers = [await call.browser('alice'), await call.browser('bob')];
  const people = [...browsers, await call.node('node'), await call.go('go'), await call.rollcall('rollcall')];
  for (const who of people) await who.publishMicrophone();
  for (const who of browsers) await who.publishCamera();
  const pairs = people.flatMap((who) => people.filter((other) => other !== who).map((other) => [who, other]));
  await Promise.all(pairs.map(([who, other]) => wantAudio(who, other.identity)));
  await Promise.all(pairs.filter(([, other]) => browsers.includes(other)).map(([who, other]) => wantVideo(who, other.identity)));
  const used = (await Promise.all(browsers.map((who) => who.route()))).flat().map((route) => route.remote.split(':').at(-1));
  assert.equal(used.length, browsers.length * call.connections);
  assert.equal(new Set(used).size, used.length, `ports ${used}`);
  for (const port of used) assert.ok(Number(port) >= start && Number(port) < start + count, `port ${port}`);
});
