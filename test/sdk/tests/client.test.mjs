// Our own Go client in a room with the SDKs, each way.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantAudio, wantVideo } from '../harness/media.mjs';

const stage = scene();

/** Our client and one of each other kind, who all know each other. */
async function everyKind(call) {
  const all = [await call.rollcall('rollcall'), await call.browser('browser'), await call.node('node'), await call.python('python')];
  for (const [i, who] of all.entries()) {
    for (const other of all.slice(i + 1)) await who.events.want('participantConnected', { identity: other.identity });
  }
  return all;
}

stage.inBothModes('our client sees and hears each SDK, and each SDK our client', async (call) => {
  const [rollcall, ...others] = await everyKind(call);
  const [browser, node] = others;
  for (const who of [rollcall, browser, node]) await who.publishCamera();
  for (const who of [rollcall, ...others]) await who.publishMicrophone();
  for (const other of others) {
    await wantVideo(other, 'rollcall');
    await wantAudio(other, 'rollcall');
    await wantAudio(rollcall, other.identity);
  }
  for (const other of [browser, node]) await wantVideo(rollcall, other.identity);
});

stage.inBothModes('data, texts, bytes and calls travel between our client and each SDK', async (call) => {
  const [rollcall, ...others] = await everyKind(call);
  for (const who of [rollcall, ...others]) {
    await who.answerCalls('echo');
    await who.listen('topic');
  }
  const text = 'abc'.repeat(20_000);
  const sum = Array.from({ length: 100_000 }, (_, i) => i % 256).reduce((a, b) => a + b, 0);
  for (const other of others) {
    for (const [from, to] of [[rollcall, other], [other, rollcall]]) {
      const said = `from ${from.identity} to ${to.identity}`;
      await from.sendData(said, { reliable: true, topic: 'letters', to: [to.identity] });
      await to.events.want('data', { from: from.identity, text: said, topic: 'letters' });
      assert.equal(await from.call(to.identity, 'echo', 'hello'), 'echo hello');
      await from.sendText(text, 'topic');
      await to.events.want('text', { from: from.identity, text });
      await from.sendBytes(100_000, 'topic');
      await to.events.want('bytes', { from: from.identity, size: 100_000, sum });
    }
  }
  await assert.rejects(rollcall.call('browser', 'nothing', ''), /1400/);
  // The browser's calls have no limit; those of the others fit into a packet.
  const long = 'x'.repeat(50_000);
  for (const [from, to] of [['rollcall', 'browser'], ['browser', 'rollcall']]) {
    const caller = from === 'browser' ? others[0] : rollcall;
    assert.equal(await caller.call(to, 'echo', long), `echo ${long}`);
  }
});
