// Ingress, driven by the server SDK; encoders that are a page which speaks WHIP, and
// participants who see and hear what they send.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { IngressInput, IngressState_Status as Status, IngressVideoEncodingPreset, IngressVideoOptions, TrackSource } from '@livekit/protocol';
import { IngressClient } from 'livekit-server-sdk';
import { Operator } from '../harness/operator.mjs';
import { ingressCalls } from '../harness/paths.mjs';
import { scene } from '../harness/scene.mjs';
import { apiKey, apiSecret, joinToken, rawToken } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';
import { whip } from '../harness/whip.mjs';

const stage = scene();
const inTwoLayers = new IngressVideoOptions({ encodingOptions: { case: 'preset', value: IngressVideoEncodingPreset.H264_540P_25FPS_2_LAYERS } });
const ingressOf = (call) => new IngressClient(call.server.url, apiKey, apiSecret);

/** Makes an endpoint for WHIP that publishes into the test's room. */
function create(call, options = {}) {
  return ingressOf(call).createIngress(IngressInput.WHIP_INPUT, {
    name: 'studio', roomName: call.room, participantIdentity: 'encoder', participantName: 'Encoder', ...options,
  });
}

const stateOf = async (call, { ingressId }) => (await ingressOf(call).listIngress({ ingressId }))[0].state;
const status = (call, info, want) => waitFor(`status ${Status[want]}`, async () => (await stateOf(call, info)).status === want);

/** The names of the endpoint's events, once there are so many. */
const storyOf = (call, { ingressId }, count) => waitFor(`${count} events of ${ingressId}`, () => {
  // After a crash what was not known to have arrived is sent again, under the same id.
  const heard = call.sink.accepted().filter((a) => a.event?.ingressInfo?.ingressId === ingressId).map((a) => [a.event.id, a.event]);
  const story = [...new Map(heard).values()];
  return story.length >= count && story;
}, 30_000);

/** Waits until somebody decodes frames and hears sound of an identity. */
async function seen(viewer, identity, source) {
  const before = await waitFor('the first frames', async () => {
    const { count } = (await viewer.video(identity, source)) ?? {};
    return count > 0 && { count };
  }, 30_000);
  await waitFor('frames to go on', async () => (await viewer.video(identity, source)).count > before.count + 20, 30_000);
}

stage.test('an endpoint is made, listed, changed and deleted', async (call) => {
  const ingress = ingressOf(call);
  const info = await create(call);
  assert.match(info.ingressId, /^IN_/);
  assert.ok(info.streamKey.length >= 12);
  assert.equal(info.url, `${call.server.url}/w`);
  assert.equal(info.reusable, true);
  assert.equal(info.enableTranscoding, false);
  assert.deepEqual([info.name, info.roomName, info.participantIdentity, info.participantName], ['studio', call.room, 'encoder', 'Encoder']);
  assert.equal(info.state.status, Status.ENDPOINT_INACTIVE);
  assert.deepEqual((await ingress.listIngress({ roomName: call.room })).map((i) => i.ingressId), [info.ingressId]);
  const changed = await ingress.updateIngress(info.ingressId, {
    name: 'stage', roomName: call.room, participantIdentity: 'other', participantName: 'Other', enabled: false });
  assert.deepEqual([changed.name, changed.participantIdentity, changed.enabled, changed.streamKey], ['stage', 'other', false, info.streamKey]);
  const refused = await whip(call.stage.browser, call.server, { bearer: info.streamKey });
  assert.deepEqual([refused.status, refused.text.trim()], [403, 'the ingress is disabled']);
  await refused.leave();
  await ingress.deleteIngress(info.ingressId);
  assert.deepEqual(await ingress.listIngress({ roomName: call.room }), []);

  await assert.rejects(ingress.deleteIngress(info.ingressId), { code: 'not_found' });
  await assert.rejects(create(call, { video: new IngressVideoOptions({ source: TrackSource.MICROPHONE }) }), { code: 'invalid_argument' });
  await assert.rejects(create(call, { video: inTwoLayers }), { code: 'invalid_argument' });
  await assert.rejects(new IngressClient(call.server.url, apiKey, 'x'.repeat(40)).listIngress(), { status: 401 });
});

stage.test('the Go SDK makes, changes, lists and deletes an endpoint with every field', async (call) => {
  const { stdout } = await promisify(execFile)(ingressCalls, ['-url', call.server.url, '-key', apiKey, '-secret', apiSecret, '-room', call.room]);
  const [made, changed, list, deleted, again] = stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.match(made.ingressId, /^IN_/);
  assert.ok(made.streamKey.length >= 12);
  const common = { inputType: 'WHIP_INPUT', url: `${call.server.url}/w`, roomName: call.room, participantIdentity: 'go-encoder', participantName: 'Go',
    participantMetadata: '{"a":1}', reusable: true, enableTranscoding: true, ingressId: made.ingressId, streamKey: made.streamKey,
    audio: { name: 'desk', source: 'SCREEN_SHARE_AUDIO', options: { audioCodec: 'OPUS', bitrate: 48000, disableDtx: true, channels: 1 } } };
  const part = (info, ...keys) => Object.fromEntries([...Object.keys(common), ...keys].map((key) => [key, info[key]]));
  assert.deepEqual(part(made, 'name', 'enabled', 'video'), { ...common, name: 'main camera', enabled: true, video: {
    name: 'screen', source: 'SCREEN_SHARE', options: { videoCodec: 'VP8', frameRate: 25, layers: [
      { width: 320, height: 180, bitrate: 150000 }, { quality: 'HIGH', width: 640, height: 360, bitrate: 500000 }] } } });
  assert.deepEqual(part(changed, 'name', 'enabled', 'video'), { ...common, name: 'other', enabled: false, video: { preset: 'H264_540P_25FPS_2_LAYERS' } });
  assert.deepEqual(list.items, [changed]);
  assert.equal(deleted.ingressId, made.ingressId);
  assert.equal(again, 'not_found');
});

stage.test('the example page publishes by WHIP', async (call) => {
  const viewer = await call.browser('viewer');
  const info = await create(call);
  const page = await call.stage.browser.tab();
  await page.goto(new URL('../../../examples/whip/index.html', import.meta.url).href);
  await page.getByLabel('URL').fill(info.url);
  const publish = async (key) => {
    await page.getByLabel('Stream key').fill(key);
    await page.getByRole('button', { name: 'Publish' }).click();
  };
  await publish('wrong');
  await page.getByText('401: there is no ingress with this stream key').waitFor();
  await publish(info.streamKey);
  await page.getByText('The connection is connected.').waitFor();
  await seen(viewer, 'encoder');
  await waitFor('sound', async () => (await viewer.audioEnergy('encoder')) > 0);
  await page.getByRole('button', { name: 'End' }).click();
  await page.getByText('It has ended.').waitFor();
  await status(call, info, Status.ENDPOINT_INACTIVE);
  await page.context().close();
});

stage.test('a page that speaks WHIP is seen and heard', async (call) => {
  const viewer = await call.browser('viewer');
  const info = await create(call);
  const source = await whip(call.stage.browser, call.server, { bearer: info.streamKey });
  assert.equal(source.status, 201, source.text);
  assert.ok(!source.location.includes(info.streamKey));
  await seen(viewer, 'encoder');
  await waitFor('sound', async () => (await viewer.audioEnergy('encoder')) > 0);
  const encoder = await call.api.getParticipant(call.room, 'encoder');
  assert.deepEqual([encoder.kind, encoder.name, encoder.attributes['ingress.ingressID']], [1, 'Encoder', info.ingressId]);
  assert.deepEqual(encoder.tracks.map((t) => t.source).sort(), [TrackSource.CAMERA, TrackSource.MICROPHONE]);
  const state = await waitFor('figures', async () => {
    const s = await stateOf(call, info);
    return s.video?.averageBitrate > 0 && s.audio?.averageBitrate > 0 && s;
  });
  assert.deepEqual([state.status, state.roomId, state.tracks.length], [Status.ENDPOINT_PUBLISHING, (await call.api.listRooms([call.room]))[0].sid, 2]);

  // A restart of ICE keeps the participant.
  assert.equal(await source.restart(), 200);
  await seen(viewer, 'encoder');
  assert.equal((await call.api.getParticipant(call.room, 'encoder')).sid, encoder.sid);

  // A second connection is refused while the first is live.
  const second = await whip(call.stage.browser, call.server, { path: `/w/${info.streamKey}` });
  assert.equal(second.status, 409);
  assert.match(second.text, /another connection/);
  await second.leave();

  assert.equal(await source.delete(), 200);
  await status(call, info, Status.ENDPOINT_INACTIVE);
  const story = await storyOf(call, info, 2);
  assert.deepEqual(story.map((e) => [e.event, e.ingressInfo.state.status]), [
    ['ingress_started', Status.ENDPOINT_PUBLISHING], ['ingress_ended', Status.ENDPOINT_INACTIVE]]);
  assert.ok(story.every((e) => e.ingressInfo.streamKey === '' && e.room.name === call.room && e.ingressInfo.state.resourceId !== ''));
  assert.ok(!call.server.log().includes(info.streamKey), 'the key is in no log');
  await source.leave();
});

stage.test('layers of WHIP are forwarded as wished, and candidates trickle', async (call) => {
  const viewer = await call.browser('viewer');
  const info = await create(call);
  const source = await whip(call.stage.browser, call.server, { path: `/w/${info.streamKey}`, simulcast: true, trickle: true });
  assert.equal(source.status, 201, source.text);
  await seen(viewer, 'encoder');
  const { tracks } = await call.api.getParticipant(call.room, 'encoder');
  const video = tracks.find((t) => t.type === 1);
  assert.equal(video.layers.length, 3);
  for (const [quality, width] of [[0, 320], [1, 640]]) {
    await viewer.setQuality('encoder', 'camera', quality);
    await waitFor(`pictures ${width} wide`, async () => (await viewer.video('encoder')).width === width, 30_000);
  }
  // A connection that is closed without a goodbye to its session ends that too.
  await source.close();
  await waitFor('the end', async () => (await storyOf(call, info, 2)).at(-1).event === 'ingress_ended');
  await source.leave();
});

stage.test('a page that speaks WHIP is encoded in layers, if the endpoint asks for that', async (call) => {
  const viewer = await call.browser('viewer');
  const info = await create(call, { enableTranscoding: true, video: inTwoLayers });
  const source = await whip(call.stage.browser, call.server, { bearer: info.streamKey });
  assert.equal(source.status, 201, source.text);
  await seen(viewer, 'encoder');
  await waitFor('sound', async () => (await viewer.audioEnergy('encoder')) > 0);
  const { tracks } = await call.api.getParticipant(call.room, 'encoder');
  const video = tracks.find((t) => t.type === 1);
  assert.deepEqual([video.mimeType.toLowerCase(), video.layers.map((l) => l.width)], ['video/h264', [480, 960]]);
  for (const [quality, width] of [[0, 480], [2, 960]]) {
    await viewer.setQuality('encoder', 'camera', quality);
    await waitFor(`pictures ${width} wide`, async () => (await viewer.video('encoder')).width === width, 30_000);
  }
  // What the page sends is in no room that anybody sees.
  assert.ok((await call.api.listRooms()).every((r) => !r.name.startsWith('RT_')));
  assert.equal(await source.restart(), 200);
  await seen(viewer, 'encoder');
  await call.api.deleteRoom(call.room);
  const story = await storyOf(call, info, 2);
  assert.deepEqual(story.map((e) => [e.event, e.ingressInfo.state.status, e.ingressInfo.state.error]), [
    ['ingress_started', Status.ENDPOINT_PUBLISHING, ''], ['ingress_ended', Status.ENDPOINT_INACTIVE, 'the room was deleted']]);
  await waitFor('the page to be told', () => source.page.evaluate(() => window.whip.pc.connectionState !== 'connected'), 60_000);
  await source.leave();
});

stage.test('a token publishes by WHIP', async (call) => {
  const viewer = await call.browser('viewer');
  const source = await whip(call.stage.browser, call.server, { path: '/whip/v1', bearer: await joinToken(call.room, 'camera') });
  assert.equal(source.status, 201, source.text);
  await seen(viewer, 'camera');
  assert.equal(await source.delete(), 200);
  await waitFor('the participant to be gone', async () => (await call.api.listParticipants(call.room)).every((p) => p.identity !== 'camera'));
  await source.leave();
});

stage.test('a server that dies ends what was live within 5 s of its next start', async (call) => {
  const info = await create(call);
  const idle = await create(call, { participantIdentity: 'idle' });
  const source = await whip(call.stage.browser, call.server, { bearer: info.streamKey });
  await status(call, info, Status.ENDPOINT_PUBLISHING);
  await storyOf(call, info, 1);
  await call.server.end('SIGKILL');
  const began = Date.now();
  await call.server.run();
  const story = await storyOf(call, info, 2);
  assert.ok(Date.now() - began < 20_000, 'the end came with the start');
  assert.deepEqual(story.map((e) => [e.event, e.ingressInfo.state.status]), [
    ['ingress_started', Status.ENDPOINT_PUBLISHING], ['ingress_ended', Status.ENDPOINT_ERROR]]);
  assert.match(story[1].ingressInfo.state.error, /the server ended/);
  assert.ok(Number(story[1].ingressInfo.state.endedAt) / 1e6 - began < 5000, 'it ended within 5 s');
  assert.equal((await stateOf(call, idle)).status, Status.ENDPOINT_INACTIVE);
  await source.leave();
  const again = await whip(call.stage.browser, call.server, { bearer: info.streamKey });
  assert.equal(again.status, 201, again.text);
  await status(call, info, Status.ENDPOINT_PUBLISHING);
  await again.leave();
});

stage.test('the dashboard makes an endpoint, tells its key, and shows what comes', async (call) => {
  const who = await Operator.at(call);
  await who.open(`/ingress#token=${rawToken({ rollcall: { admin: true, events: true, endpoints: true }, name: 'Admin' })}`);
  await who.find('add-ingress').click();
  await who.find('in-room').fill(call.room);
  await who.find('in-identity').fill('stage-camera');
  await who.page.getByRole('button', { name: 'Add', exact: true }).click();
  await who.see('ingress-key');
  const key = await who.find('ingress-key').innerText();
  assert.equal(await who.find('ingress-url').innerText(), `${call.server.url}/w`);
  await who.page.getByRole('button', { name: 'I have it' }).click();
  const card = who.find('ingress').filter({ hasText: 'stage-camera' });
  await card.waitFor();
  assert.ok(!(await who.page.content()).includes(key), 'the key is not on the page');

  // What the server does not do is said where it was asked for.
  await who.page.route('**/UpdateIngress', (route) => route.fulfill({ status: 503, contentType: 'application/json', body: '{"code":"unavailable","msg":"not now"}' }));
  await card.getByRole('button', { name: 'Actions for stage-camera' }).click();
  await who.page.getByRole('menuitem', { name: 'Let nobody in' }).click();
  await card.getByTestId('ingress-error').filter({ hasText: 'not now' }).waitFor();
  await who.page.unroute('**/UpdateIngress');

  const source = await whip(call.stage.browser, call.server, { bearer: key });
  assert.equal(source.status, 201, source.text);
  await waitFor('what comes to be told', async () => /live.*VP8.*Opus/s.test(await card.innerText()));
  await who.picture('dashboard-ingress');
  await card.getByRole('button', { name: 'Actions for stage-camera' }).click();
  await who.page.getByRole('menuitem', { name: 'Delete…' }).click();
  await who.page.getByRole('button', { name: 'Delete', exact: true }).click();
  await card.waitFor({ state: 'detached' });
  await waitFor('the participant to be gone', async () => (await call.api.listParticipants(call.room)).length === 0);
  await source.leave();
  await who.leave();
});
