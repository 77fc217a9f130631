// A server whose side of ICE is lite: clients make the checks. Who answers it may be
// the server of the DTLS handshake then, as clients made with pion are.

import { scene } from '../harness/scene.mjs';
import { wantAudio } from '../harness/media.mjs';
import { freePort } from '../harness/server.mjs';

const stage = scene({
  config: {
    rtc: {
      udp_port: await freePort('udp'), tcp_port: await freePort('tcp'),
      node_ip: '127.0.0.1', enable_loopback_candidate: true, use_ice_lite: true,
    },
  },
});

stage.inBothModes('with ICE-lite everybody hears and reads everybody', async (call) => {
  const people = [
    await call.browser('browser'), await call.node('node'), await call.go('go'), await call.rollcall('rollcall'),
    await call.python('python'),
  ];
  for (const who of people) await who.publishMicrophone();
  const pairs = people.flatMap((who) => people.filter((other) => other !== who).map((other) => [who, other]));
  await Promise.all(pairs.map(([who, other]) => wantAudio(who, other.identity)));
  for (const who of people) await who.sendData(`from ${who.identity}`, { topic: 'lite' });
  await Promise.all(pairs.map(([who, other]) => who.events.want('data', { from: other.identity, text: `from ${other.identity}` })));
});
