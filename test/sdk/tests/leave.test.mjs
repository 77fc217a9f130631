// Who leaves in the moment in which its SDK says that it is connected did join:
// what the client and the backend hold true is the same.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Room } from '@livekit/rtc-node';
import { NodeParticipant } from '../harness/nodeparticipant.mjs';
import { goParticipant } from '../harness/paths.mjs';
import { scene } from '../harness/scene.mjs';
import { joinToken } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene({ config: { room: { departure_timeout: 300 } } });

/** How often each SDK comes and goes. */
const visits = Number(process.env.ROLLCALL_VISITS ?? 60);

/** The tokens of a crowd whose identities begin with the given word. */
function crowd(call, who, n) {
  return Promise.all(Array.from({ length: n }, (_, i) => joinToken(call.room, `${who}-${i}`)));
}

/** Does visit with each of the tokens, a few at a time. */
async function each(tokens, atOnce, visit) {
  const left = [...tokens];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left.length) await visit(left.shift());
  }));
}

const ended = 'participant_left 1 by client'; // CLIENT_INITIATED is 1 in LiveKit's enum

/**
 * Deletes the room and holds its story to n visits, each joined and then left, and nothing else. An SDK that startsOver
 * may take the end of its connection for a fault and dial again while it leaves: a session of its own, which ends once.
 */
async function wantVisits(call, n, { startsOver = false } = {}) {
  await waitFor('everybody to be gone', async () => (await call.api.listParticipants(call.room)).length === 0);
  await call.api.deleteRoom(call.room);
  await call.sink.story(call.room, undefined, 60_000);
  const told = new Map(); // identity -> sid -> words
  for (const { event, headers } of call.sink.accepted(call.room)) {
    const { identity, sid } = event.participant ?? {};
    if (!identity) continue;
    const sessions = told.get(identity) ?? new Map();
    told.set(identity, sessions);
    const word = event.event === 'participant_left'
      ? `${event.event} ${event.participant.disconnectReason} by ${headers['rollcall-actor']}` : event.event;
    sessions.set(sid, [...sessions.get(sid) ?? [], word]);
  }
  const wrong = [...told].filter(([, sessions]) => {
    const [first, ...more] = [...sessions.values()].map((words) => words.join());
    const again = (words) => startsOver && /^(participant_connection_aborted|participant_joined,participant_left .*)$/.test(words);
    return first !== `participant_joined,${ended}` || !more.every(again);
  }).map(([identity, sessions]) => [identity, ...sessions.values()]);
  assert.deepEqual(wrong, []);
  assert.equal(told.size, n);
}

for (const by of ['promise', 'event']) {
  stage.test(`a browser that leaves by the ${by} of being connected has joined and left`, async (call) => {
    const page = await stage.browser.testPage('index.html');
    const n = visits / 2;
    for (const atOnce of [1, 5]) {
      const tokens = await crowd(call, `browser-${atOnce}`, n / 2);
      await page.evaluate(([url, list, options]) => window.comeAndGo(url, list, options), [call.server.ws, tokens, { by, atOnce }]);
    }
    await page.context().close();
    await wantVisits(call, n);
  });
}

stage.test('an rtc-node participant that leaves once it is connected has joined and left', async (call) => {
  NodeParticipant.used();
  await each(await crowd(call, 'node', visits), 4, async (token) => {
    const room = new Room();
    await room.connect(call.server.ws, token, { autoSubscribe: true, dynacast: false });
    await room.disconnect();
  });
  await wantVisits(call, visits);
});

stage.test('a Go participant that leaves once it is connected has joined and left', async (call) => {
  await each(await crowd(call, 'go', visits), 4, (token) =>
    promisify(execFile)(goParticipant, ['-leave', '-url', call.server.ws, '-token', token]));
  await wantVisits(call, visits, { startsOver: true });
});
