// The dashboard's Story and Deliveries, used as a person would use them: what
// happened in a call, and why a webhook did not arrive, by clicking and by keyboard.

import assert from 'node:assert/strict';
import { DirectFileOutput } from 'livekit-server-sdk';
import { Operator } from '../harness/operator.mjs';
import { egressOf, recordings, tracksOf } from '../harness/recordings.mjs';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';
import { WebhookSink } from '../harness/webhooks.mjs';

// In development mode the dashboard has a token of its own on this machine.
const stage = scene({ config: { development: true, egress: { directory: recordings() } } });

const idsOf = (sink) => sink.attempts.filter((attempt) => attempt.status === 200).map((attempt) => attempt.event?.id);

stage.test('a person finds out what happened and why a webhook did not arrive', async (call) => {
  const crm = await WebhookSink.start();
  const who = await Operator.at(call);
  try {
    // An endpoint is added, and its secret shown once.
    await who.open('/deliveries');
    await who.reads('deliveries-sum', /1 endpoint, everything is delivered/);
    await who.find('add-endpoint').click();
    await who.find('ep-url').fill('nonsense://');
    await who.find('dialog-submit').click();
    await who.reads('dialog-error', /url: want an absolute http or https URL/);
    await who.find('ep-url').fill(crm.url);
    await who.find('ep-description').fill('CRM');
    await who.find('ep-events').fill('*');
    await who.find('dialog-submit').click();
    await who.reads('secret', /^whsec_\S{40,}$/);
    await who.find('dialog-submit').click();
    await who.see('endpoint-state', { state: 'up' });
    await who.find('test').click();
    await who.reads('said', /The sample was accepted: 200 OK/);
    assert.ok(!(await who.page.content()).includes('whsec_'), 'the secret is not shown again');

    // Ana joins while the receiver works; Bert while it refuses, and then it is killed.
    const ana = await call.rollcall('ana');
    await ana.publishMicrophone();
    await waitFor('the CRM to hear of ana', () => crm.attempts.some(({ event, status }) => status === 200 && event?.event === 'track_published'));
    crm.answer = () => ({ status: 503, body: 'the database is read-only' });
    await call.rollcall('bert');
    await waitFor('the CRM to refuse', () => crm.attempts.some(({ status }) => status === 503));
    await crm.down();

    // The story of the call, while it goes on.
    await who.find('nav-story').click();
    await who.find('history-search').fill(call.room.slice(2, 20));
    await who.find('session', { open: 'true' }).filter({ hasText: call.room }).click();
    await who.see('story', { live: 'true', whole: 'true' });
    await who.see('bars-row', { identity: 'ana' });
    await who.see('bars-row', { identity: 'bert' });
    await who.reads('figure-people', /People 2 2 at most/);
    // A recording is a bar too, and leads to its page.
    const { audio } = await tracksOf(call, 'ana', 1);
    const { egressId } = await egressOf(call).startTrackEgress(call.room, new DirectFileOutput({ filepath: 'ana' }), audio);
    await who.reads('bars-job', /^\S+, microphone recording now ?: .* to now, .*; file ana/, { id: egressId, open: 'true' });
    assert.match(await who.find('bars-job', { id: egressId }).locator('a').getAttribute('href'), new RegExp(`/dashboard/recordings/${egressId}$`));
    await who.find('kind-people').click();
    await who.find('event-search').fill('bert');
    await who.see('story-event', { event: 'participant_joined', identity: 'bert' });
    assert.equal(await who.find('story-event', { identity: 'ana' }).count(), 0, 'the filter leaves out ana');
    // By keyboard: the list, an event of it, its JSON.
    const line = who.find('story-event', { event: 'participant_joined', identity: 'bert' }).locator('.event-line');
    const seq = Number(await who.find('story-event', { event: 'participant_joined', identity: 'bert' }).getAttribute('data-seq'));
    await who.find('story-event').first().locator('.event-line').focus();
    await waitFor('the arrows to reach the event', async () => {
      if (await line.evaluate((button) => button === document.activeElement)) return true;
      await who.page.keyboard.press('ArrowDown');
      return false;
    });
    await who.page.keyboard.press('Enter');
    await who.reads('event-json', /"event": "participant_joined".*"identity": "bert"/);
    await who.picture('story-live');

    // Why did it not arrive?
    await who.find('to-deliveries').click();
    await who.see('why', { seq });
    const verdict = who.page.locator('[data-testid="verdict"]').filter({ hasText: crm.url });
    await waitFor('the verdict on the CRM', async () => {
      const text = (await verdict.innerText()).replaceAll(/\s+/g, ' ');
      assert.match(text, /Refused so far|Waiting/);
      assert.match(text, /It is tried again|It waits behind event \d+ of its room/);
      return true;
    });
    const stock = who.page.locator('[data-testid="verdict"]').filter({ hasText: call.stage.sink.url });
    await waitFor('the verdict on the other', async () => {
      assert.match(await stock.innerText(), /Delivered\s[\s\S]*It was accepted/);
      return true;
    });
    // What holds it up, and what the receiver said.
    await verdict.locator('a').first().click();
    await who.find('tab-waiting').click();
    await who.reads('lane', /events? waits?.* It was tried/, { room: call.room });
    await who.find('tab-attempts').click();
    await who.find('tried', { delivered: 'false' }).last().locator('button').first().click();
    await who.reads('attempt', /503 Service Unavailable attempt \d+ at .*the database is read-only/, { status: '503' });
    await who.reads('last-error', /Last failure at .*(refused|503)/);

    // It recovers by itself, and one event is sent once more.
    crm.answer = () => ({ status: 200 });
    await crm.up();
    await who.reads('endpoint-lag', /^Waiting 0/, {}, 90_000);
    await who.open(`/deliveries/event/${seq}`);
    await waitFor('the event to be delivered', async () => {
      assert.match(await verdict.innerText(), /Delivered\s[\s\S]*It was accepted at/);
      return true;
    }, 60_000);
    const id = crm.attempts.find(({ event }) => event?.event === 'participant_joined' && event.participant.identity === 'bert').event.id;
    assert.equal(idsOf(crm).filter((one) => one === id).length, 1);
    await verdict.locator('[data-testid="redeliver"]').click();
    await waitFor('the redelivery to be told', async () => /Accepted: 200 OK/.test(await verdict.innerText()));
    assert.equal(idsOf(crm).filter((one) => one === id).length, 2, 'the receiver has it twice, with one id');
    assert.equal(new Set(idsOf(crm)).size + 1, idsOf(crm).length, 'and nothing else twice');
    await who.picture('deliveries-why');

    // The room as it was, by keyboard.
    await who.find('to-story').click();
    await who.see('slider');
    await who.reads('then', /after event \d+/);
    await who.see('state-person', { identity: 'bert' });
    await who.find('slider').focus();
    await who.page.keyboard.press('Home');
    await who.reads('then', /after event 1,/);
    await who.reads('state', /The room is open and empty/);
    await who.page.keyboard.press('End');
    await who.see('state-person', { identity: 'ana' });

    // It ends while somebody looks.
    await call.api.deleteRoom(call.room);
    await who.see('story', { live: 'false' });
    await who.reads('bars-job', /recording, complete/, { id: egressId, open: 'false' });
    await who.reads('figure-end', /Ended .*API/);
    await who.reads('summary', /Lasted .*Talked .*Quality/);
    await who.find('slider').focus();
    await who.page.keyboard.press('End');
    await who.reads('state', /The session is over/);
    await who.find('history-all').waitFor({ state: 'detached' });
    await who.leave();
  } catch (error) {
    await who.picture('failed-story').catch(() => {});
    throw error;
  } finally {
    await who.page.context().close();
    await crm.close();
  }
});

stage.test('a session that is over is not among those that are live', async (call) => {
  const who = await Operator.at(call);
  await call.api.createRoom({ name: call.room });
  await who.open(`/story?room=${call.room}`);
  await who.find('history-open').click();
  await who.see('session', { open: 'true' });
  await call.api.deleteRoom(call.room);
  await who.find('session').first().waitFor({ state: 'detached', timeout: 30_000 });
  await who.find('history-over').click();
  await who.see('session', { open: 'false' });
  await who.leave();
});

stage.test('a person holds back, recovers and removes an endpoint', async (call) => {
  const audit = await WebhookSink.start();
  const who = await Operator.at(call, { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: 'dark' });
  try {
    await who.open('/deliveries');
    await who.find('add-endpoint').click();
    await who.find('ep-url').fill(audit.url);
    await who.find('dialog-submit').click();
    await who.find('dialog-submit').filter({ hasText: 'I have it' }).click();
    await who.see('endpoint-state', { state: 'up' });
    const own = new URL(who.page.url()).pathname;

    // A receiver may say a lot, such as a page of its framework: the rest of the page stays.
    audit.answer = () => ({ status: 500, body: `<html>${'no '.repeat(2000)}</html>` });
    await who.find('test').click();
    await who.reads('said', /The sample was refused: 500 Internal Server Error <html>no no/);
    await who.find('tab-settings').click();
    await who.reads('endpoint-state', /Up/);
    await who.picture('deliveries-refused-phone');
    audit.answer = () => ({ status: 200 });

    // One event alone is refused, and given up: the others get through.
    audit.answer = ({ event }) => (event?.event === 'room_started' ? { status: 422, body: 'no such room' } : { status: 200 });
    await call.api.createRoom({ name: call.room });
    await call.rollcall('ana');
    await who.find('tab-dead').click();
    await who.reads('dead-letter', /room_started room .*422.*Given up at .* after \d+ attempts/, {}, 60_000);
    await who.picture('deliveries-dead-phone');
    audit.answer = () => ({ status: 200 });
    await who.find('redrive').click();
    await who.reads('redriven', /1 event is tried again now/);
    await who.find('dead-letter').first().waitFor({ state: 'detached' });

    // Another one is not worth the while.
    audit.answer = ({ event }) => (event?.event === 'room_started' ? { status: 422, body: 'no such room' } : { status: 200 });
    await call.api.createRoom({ name: `${call.room}-too` });
    await call.api.deleteRoom(`${call.room}-too`);
    await who.reads('dead-letter', /room_started room .*422/, {}, 60_000);
    audit.answer = () => ({ status: 200 });
    await who.find('dismiss').click();
    await who.reads('redriven', /1 event is dismissed/);
    await who.find('dead-letter').first().waitFor({ state: 'detached' });

    // Held back, and let go.
    await who.find('pause').click();
    await who.see('endpoint-state', { state: 'paused' });
    const before = audit.attempts.length;
    await call.api.deleteRoom(call.room);
    await who.reads('endpoint-lag', /^Waiting [1-9]/);
    assert.equal(audit.attempts.length, before, 'nothing is sent meanwhile');
    await who.find('resume').click();
    await who.see('endpoint-state', { state: 'up' });
    await who.reads('endpoint-lag', /^Waiting 0/);
    assert.ok(audit.attempts.some(({ event }) => event?.event === 'room_finished'));

    // All of it again.
    const had = idsOf(audit).length;
    await who.find('recover').click();
    await who.find('recover-from-seq').check();
    await who.find('recover-seq').fill('0');
    await who.find('dialog-submit').click();
    await who.reads('dialog-error', /number in the log, 1 or more/);
    await who.find('recover-seq').fill('1');
    await who.find('dialog-submit').click();
    await who.reads('recovery', /done after event 0 \d+ events were sent/, { state: 'done' });
    assert.ok(idsOf(audit).length >= had * 2 - 1, 'what it had came again');

    // A new secret, and the end.
    await who.find('rotate').click();
    await who.find('dialog-submit').click();
    await who.reads('secret', /^whsec_/);
    await who.find('dialog-submit').filter({ hasText: 'I have it' }).click();
    const [width, content] = await who.page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
    assert.ok(content <= width, `a phone need not scroll sideways: ${content} > ${width}`);
    const other = await Operator.at(call);
    await other.open(own.replace('/dashboard', ''));
    await other.see('endpoint-state', { state: 'up' });
    await who.find('delete').click();
    await who.find('dialog-submit').click();
    await who.see('add-endpoint');
    // Who looks at it elsewhere is told that it is gone, not that the connection is.
    await other.reads('problem', /unknown endpoint/i);
    assert.equal(await other.find('feed-lost').count(), 0);
    await other.leave();
    await other.page.context().close();
    await who.open(own.replace('/dashboard', ''));
    await who.reads('problem', /no endpoint|unknown endpoint/i);
    await who.leave();
  } catch (error) {
    await who.picture('failed-deliveries').catch(() => {});
    throw error;
  } finally {
    await who.page.context().close();
    await audit.close();
  }
});
