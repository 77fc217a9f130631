// What the server asks of a client meets the client's own offers on the wire. The
// wire is long, so that they meet often: here, with @livekit/rtc-node and one connection.

import { LongWire } from '../harness/longwire.mjs';
import { NodeParticipant } from '../harness/nodeparticipant.mjs';
import { scene } from '../harness/scene.mjs';
import { joinToken } from '../harness/tokens.mjs';

const oneWay = 120;
const stage = scene({ browser: false, timeout: 100_000 });

/** Runs body with somebody at the far end of a long wire; enter brings in more of them. */
function atTheFarEnd(rule, body) {
  stage.test(rule, async (call) => {
    const wire = await LongWire.to(call.server, oneWay);
    const guests = [];
    const enter = async (identity) => {
      const guest = await NodeParticipant.enter(wire.ws, await joinToken(call.room, identity), identity, { connections: 1 });
      guests.push(guest);
      return guest;
    };
    try {
      await body(call, enter);
    } finally {
      await Promise.allSettled(guests.map((guest) => guest.leave()));
      await wire.close();
    }
  });
}

/** Publishes a microphone, of which the others hear. */
async function speak(who, ...others) {
  const { sid } = await who.publishMicrophone();
  await Promise.all(others.map((other) => other.events.want('trackSubscribed', { identity: who.identity, sid })));
  return sid;
}

atTheFarEnd('offers that cross requests for sections do not stop a client', async (call, enter) => {
  const alice = await enter('alice');
  const bob = await call.node('bob');
  for (let round = 0; round < 8; round++) {
    const [ours, theirs] = await Promise.all([speak(alice, bob), speak(bob, alice)]);
    await alice.unpublish(ours);
    // Alice offers some 150 ms later, or at once: the request meets that at each of its stages.
    await new Promise((resolve) => setTimeout(resolve, round * 40));
    await bob.unpublish(theirs);
  }
  await Promise.all([speak(alice, bob), speak(bob, alice)]);
});

atTheFarEnd('what is published the moment that a client is connected is heard', async (call, enter) => {
  const bob = await call.node('bob');
  for (let i = 0; i < 4; i++) {
    const alice = await enter(`alice ${i}`);
    const published = [alice.publishMicrophone(), alice.publishCamera()];
    for (const { sid } of await Promise.all(published)) await bob.events.want('trackSubscribed', { identity: alice.identity, sid });
    await alice.unpublish((await published[0]).sid);
    await speak(alice, bob);
    await alice.leave();
  }
});
