// A room that has as many participants as it may have.

import assert from 'node:assert/strict';
import { joinToken } from './tokens.mjs';

const why = 'room has reached its max_participants';

/** The server says why nobody else is let in, and so do the SDKs, but a browser's: that one only says that it was refused. */
export async function wantFull(call) {
  const query = new URLSearchParams({ access_token: await joinToken(call.room, 'late'), protocol: '17' });
  const response = await fetch(`${call.server.url}/rtc/validate?${query}`);
  assert.deepEqual([response.status, (await response.text()).trim()], [503, why]);
  await assert.rejects(call.signal('late'), { status: 503, body: `${why}\n` });
  await assert.rejects(call.browser('late'), ({ reason }) => ['WebSocket', 'ServerUnreachable'].includes(reason));
  for (const sdk of ['node', 'go', 'rollcall']) {
    await assert.rejects(call[sdk]('late'), new RegExp(why), sdk);
  }
}
