// People who are there for longer than their token: the server gives them others, with
// which their SDKs come back.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantAudio } from '../harness/media.mjs';
import { joinToken } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();
const patience = { deadline: 60_000 };

// Clocks may be a minute apart, so a token that ended 45 seconds ago has 15 left.
const ttl = '-45s';

stage.test('who stays for longer than a token comes back with the newest', async (call) => {
  const browser = await call.stranger('browser');
  const [node, go, python, rollcall] = await Promise.all([
    ...['node', 'go', 'python', 'rollcall'].map((sdk) => call[sdk](sdk, { ttl })),
    browser.enter(call.server, call.room, { ttl }),
  ]);
  const all = [browser, node, go, python, rollcall];
  for (const who of all) await who.publishMicrophone();
  const last = await joinToken(call.room, 'nobody', { ttl });
  await waitFor('the tokens of all to have expired', async () => {
    const response = await fetch(`${call.server.url}/rtc/validate?${new URLSearchParams({ access_token: last, protocol: '17' })}`);
    return response.status === 401 && /expired/.test(await response.text());
  });

  // A resume.
  for (const who of [browser, node]) {
    await who.simulate('signal-reconnect');
    await who.events.want('reconnected', {}, patience);
  }

  // Another session begins as its token says. The change is followed by a token that knows of it, and that by the next change.
  for (const { identity } of all) {
    await call.api.updateParticipant(call.room, identity, { name: `${identity} later` });
    await call.api.updateParticipant(call.room, identity, { metadata: 'changed' });
  }
  for (const who of all) await who.events.want('metadata', { identity: who.identity, metadata: 'changed' });
  const before = all.map((who) => who.events.list.length);
  await call.server.end('SIGKILL');
  await call.server.run();
  for (const [i, who] of all.entries()) await who.events.want('reconnected', {}, { from: before[i], ...patience });
  const people = await waitFor('everybody to be back', async () => {
    const listed = await call.api.listParticipants(call.room);
    return listed.length === all.length && listed;
  });
  assert.deepEqual(people.map((p) => p.name).toSorted(), all.map(({ identity }) => `${identity} later`).toSorted());
  for (const who of all) assert.deepEqual(who.events.all('disconnected'), [], `${who.identity} was not sent away`);
  for (const other of [node, go, python, rollcall]) await wantAudio(browser, other.identity, patience.deadline);
});
