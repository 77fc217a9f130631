// A server that drains before it stops: those who are there go on, however they lose
// their connections, and after it they find each other again.

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { scene } from '../harness/scene.mjs';
import { wantVideo } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene({ config: { drain: { delay: '10m' }, room: { departure_timeout: 120 } } });
const patience = { deadline: 60_000 };

async function wantEverybodySeen(all) {
  for (const who of all) {
    for (const other of all.filter((o) => o !== who)) await wantVideo(who, other.identity, 3, patience.deadline);
  }
}

stage.inBothModes('who is there while the server drains may start over, and nobody else comes', async (call) => {
  const [browser, node, go] = [await call.browser('browser'), await call.node('node'), await call.go('go')];
  const all = [browser, node, go];
  for (const who of all) await who.publishCamera();
  await wantEverybodySeen(all);
  const [{ sid: room }] = await call.api.listRooms([call.room]);

  process.kill(call.server.pid, 'SIGTERM');
  await waitFor('the server to drain', async () => (await fetch(`${call.server.url}/readyz`)).status === 503);
  await assert.rejects(call.signal('late'), { status: 503, body: 'server is stopping, try again later\n' });
  await assert.rejects(call.rollcall('late'), /server is stopping, try again later/);

  const comesBack = async (who, scenario) => {
    const from = who.events.list.length;
    await who.simulate(scenario);
    await who.events.want('reconnected', {}, { from, ...patience });
  };
  await comesBack(browser, 'signal-reconnect');
  assert.equal((await browser.view()).local.sid, browser.sid, 'the same session');
  await comesBack(browser, 'full-reconnect');
  assert.notEqual((await browser.view()).local.sid, browser.sid, 'a new session');
  await wantEverybodySeen(all);
  await setTimeout(2_500); // what happens for two seconds after it starts over livekit-client never tells
  await comesBack(node, 'full-reconnect');
  await wantEverybodySeen(all);

  // The second signal ends the drain.
  const before = all.map((who) => who.events.list.length);
  assert.deepEqual(await call.server.end('SIGTERM'), { code: 0, signal: null }, call.server.log().slice(-2000));
  await call.server.run();
  for (const [i, who] of all.entries()) await who.events.want('reconnected', {}, { from: before[i], ...patience });
  await wantEverybodySeen(all);
  assert.deepEqual((await call.api.listRooms([call.room])).map((r) => r.sid), [room], 'the same session of the room');
  for (const who of all) assert.deepEqual(who.events.all('disconnected'), [], `${who.identity} was never sent away`);
  await call.api.deleteRoom(call.room);
});
