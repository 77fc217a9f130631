// The page as a demonstration: what people expect of a call, and the proof that
// each client event comes about, beside what the log holds of it.

import assert from 'node:assert/strict';
import { TrackSource } from 'livekit-server-sdk';
import { desktop, Person, phone } from '../harness/person.mjs';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

// Painting is done without a graphics card: what is not looked at may be small.
const small = { viewport: { width: 640, height: 480 } };

const stage = scene({ config: { development: true } });

/** A test with people at the page; what each saw is kept when it fails. */
function meeting(rule, body) {
  stage.test(rule, async (call) => {
    const people = [];
    const at = async (name, device) => {
      const person = await Person.at(call, name, device);
      people.push(person);
      return person;
    };
    try {
      await body(call, at);
      for (const person of people) person.assertContent();
    } catch (error) {
      for (const person of people) {
        if (person.errors.length) console.error(`${person.name}'s page threw`, person.errors);
        await person.picture(`failed-${person.name}`).catch(() => {});
      }
      throw error;
    } finally {
      for (const person of people) await person.page.context().close();
    }
  });
}

const identityOf = async (person) => person.find('participant', { local: 'true' }).getAttribute('data-identity');

meeting('preview, call, shared screen, reactions, and who is removed', async (call, at) => {
  const ana = await at('Ana', desktop);
  const ben = await at('Ben', { ...phone, colorScheme: 'dark' });

  // Before joining one sees oneself, and that one is heard.
  await waitFor('a picture of oneself', () => ana.find('preview-video').evaluate((video) => video.videoWidth > 0 && video.currentTime > 0));
  await ana.see('meter', { heard: 'true' });
  await ana.find('choose-devices').click();
  assert.ok(await ana.find('device-mic').locator('option').count() >= 1);
  await ana.picture('preview-desktop');
  // A camera that is blocked: where to give it back, and another try.
  await ana.find('join-cam').uncheck();
  await ana.find('preview-video').waitFor({ state: 'detached' });
  await ana.page.evaluate(() => {
    const given = navigator.mediaDevices.getUserMedia;
    navigator.mediaDevices.getUserMedia = async () => {
      navigator.mediaDevices.getUserMedia = given;
      throw new DOMException('Permission denied', 'NotAllowedError');
    };
  });
  await ana.find('join-cam').check();
  await ana.see('preview-failure', { code: 'camera-denied' });
  await ana.find('preview-failure').getByRole('button').click();
  await ana.see('preview-video');
  await ben.picture('preview-phone-dark');
  await ana.join(call.room);
  await ben.join(call.room);
  for (const who of [ana, ben]) await who.seePictures();
  await ana.picture('grid-desktop');

  // What arrives of another's picture, and how good it is to be.
  const width = (wanted) => waitFor(`a picture that is ${wanted}`, async () => {
    const { width } = await ana.find('arrives').evaluate((list) => list.dataset);
    return wanted === 'full' ? Number(width) > 320 : Number(width) > 0 && Number(width) <= 320;
  }, 30_000);
  const bensTile = ana.find('participant', { local: 'false' });
  await bensTile.hover();
  await bensTile.getByTestId('tile-menu').click();
  await width('full');
  await ana.find('quality', { quality: 'low' }).check();
  await width('small');
  await ana.picture('quality-desktop');
  await ana.page.keyboard.press('Escape');

  // Another microphone during the call.
  await ana.find('settings').click();
  const microphone = ana.find('call-audioinput');
  const other = await microphone.locator('option').last().getAttribute('value');
  await microphone.selectOption(other);
  await waitFor('the other microphone', async () => (await microphone.inputValue()) === other);
  await ana.find('close-settings').click();
  await ana.see('participant', { local: 'true', mic: 'on' });

  // Whom one pins, or who speaks, is large.
  const anasIdentity = await identityOf(ana);
  const bensIdentity = await identityOf(ben);
  await ana.find('toggle-view').click();
  await ana.see('stage', { mode: 'speaker', large: `${bensIdentity}/camera` });
  await ana.picture('speaker-desktop');
  await ana.find('participant', { local: 'true' }).hover();
  await ana.find('participant', { local: 'true' }).getByTestId('pin').click();
  await ana.see('stage', { large: `${anasIdentity}/camera` });
  await ana.find('toggle-view').click();
  await ana.see('stage', { mode: 'grid', large: '' });

  // A shared screen has a tile of its own, and the large place.
  await ana.find('toggle-screen').click();
  await ben.see('stage', { large: `${anasIdentity}/screen` });
  await ben.seePictures('screen_share');
  await ana.find('toggle-screen').click();
  await ben.see('stage', { large: '' });

  // A reaction and a raised hand.
  await ben.find('react').click();
  await ben.find('emoji', { emoji: '🎉' }).click();
  await ana.see('reaction', { emoji: '🎉', identity: bensIdentity });
  await ben.find('raise-hand').click();
  await ana.see('participant', { identity: bensIdentity, hand: 'true' });

  // Whoever runs the room mutes one of them, and removes them.
  const { tracks } = await call.api.getParticipant(call.room, bensIdentity);
  await call.api.mutePublishedTrack(call.room, bensIdentity, tracks.find((t) => t.source === TrackSource.MICROPHONE).sid, true);
  await ana.see('participant', { identity: bensIdentity, mic: 'off' });
  await ben.see('participant', { identity: bensIdentity, mic: 'off' });
  await call.api.removeParticipant(call.room, bensIdentity);
  await ben.see('error', { code: 'removed' });
  await ana.find('participant', { local: 'false' }).waitFor({ state: 'detached' });
  const [inside, content] = await ben.page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
  assert.ok(content <= inside, `a phone need not scroll sideways: ${content} > ${inside}`);
});

meeting('each of the 23 client events comes about by its hint, beside the records of the log', async (call, at) => {
  const ana = await at('Ana', desktop);
  const ben = await at('Ben', small);
  await ana.find('toggle-events').click();
  await ana.join(call.room);
  await ben.join(call.room);
  await ben.seePictures();
  await ana.find('tab-checklist').click();
  const identity = await identityOf(ana);
  const seen = (event) => ana.see('check', { event, seen: 'true' }, { timeout: 40_000 });
  const trial = async (name, ...events) => {
    await ana.find('try', { trial: name }).first().click();
    for (const event of events) await seen(event);
  };
  for (const event of [
    'ParticipantConnected', 'TrackPublished', 'TrackSubscribed', 'LocalTrackPublished', 'ActiveSpeakersChanged', 'IsSpeakingChanged',
    'ConnectionQualityChanged',
  ]) await seen(event);

  await trial('unsubscribe', 'TrackUnsubscribed');
  await ana.seePictures();
  await trial('starve', 'TrackStreamStateChanged');
  await trial('mute', 'TrackMuted', 'TrackUnmuted');
  await trial('unpublish', 'LocalTrackUnpublished');
  await trial('metadata', 'ParticipantMetadataChanged');
  await trial('attributes', 'ParticipantAttributesChanged');
  await ben.find('react').click();
  await ben.find('emoji').first().click();
  await seen('DataReceived');
  await ben.page.keyboard.press('Escape');
  await ben.find('toggle-screen').click();
  await ben.see('screen-tile');
  await ben.find('toggle-screen').click();
  await seen('TrackUnpublished');
  await ben.find('settings').click();
  await ben.find('allow-others').uncheck();
  await seen('TrackSubscriptionPermissionChanged');
  await ben.find('allow-others').check();
  await ben.find('close-settings').click();

  // What only an administrator may, by the command that is shown.
  assert.match(await ana.find('check', { event: 'RoomMetadataChanged' }).locator('code').innerText(), /^rollcall room set .* --metadata /);
  await call.api.updateRoomMetadata(call.room, '{"topic":"plans"}');
  await seen('RoomMetadataChanged');
  await call.api.updateParticipant(call.room, identity, { permission: { canPublish: true, canSubscribe: true, canPublishData: true, canUpdateMetadata: false } });
  await seen('ParticipantPermissionsChanged');
  await trial('reconnect', 'Reconnecting', 'Reconnected');
  await ana.seePictures();
  await ben.find('leave').click();
  await seen('ParticipantDisconnected');

  // Side by side, to be filtered and opened.
  await ana.find('tab-sides').click();
  await ana.find('filter-text').fill('ben join connected');
  assert.equal(await ana.find('moment').count(), 0, 'every word has to be there');
  await ana.find('filter-text').fill('ben camera published');
  await ana.see('client-event', { event: 'TrackPublished', scopes: 'room participant' });
  await ana.see('server-event', { event: 'track_published' });
  const order = await ana.find('moment').evaluateAll((moments) => ['track_published', 'TrackPublished'].map((event) =>
    moments.findIndex((moment) => moment.querySelector(`[data-event="${event}"]`))));
  assert.ok(order[0] >= 0 && order[0] <= order[1], `what the log holds stands beside or above what the SDK told of it: ${order}`);
  await ana.find('client-event', { event: 'TrackPublished' }).first().getByRole('button').first().click();
  const told = JSON.parse(await ana.find('client-event-body').innerText());
  assert.equal(told.publication.source, 'camera');
  await ana.find('server-event', { event: 'track_published' }).first().getByRole('button').first().click();
  const recorded = JSON.parse(await ana.find('server-event-body').innerText());
  assert.equal(recorded.track.sid, told.publication.trackSid, 'both speak of one track');
  await ana.find('filter-server').click();
  await ana.find('server-event').first().waitFor({ state: 'detached' });
  await ana.find('filter-server').click();
  await ana.find('filter-text').fill('');
  await ana.picture('events-desktop');

  // The drawer outlives the call, and so sees its end.
  await ana.find('leave').click();
  await ana.see('events-seen', { seen: '23' });
  await ana.find('tab-checklist').click();
  assert.equal(await ana.find('check', { seen: 'true' }).count(), 23);
  await ana.picture('checklist-desktop');
});

meeting('who has the passphrase sees, and nobody else', async (call, at) => {
  const ana = await at('Ana', small);
  const ben = await at('Ben', { ...small, colorScheme: 'dark' });
  const eve = await at('Eve', small);
  await ana.join(call.room, { passphrase: 'open sesame' });
  await ben.join(call.room, { passphrase: 'open sesame' });
  for (const who of [ana, ben]) {
    await who.see('encrypted');
    await who.see('participant', { local: 'false', encrypted: 'true', locked: 'false' });
    await who.seePictures();
  }
  await ben.picture('encrypted-dark');

  // Without encryption, and with another passphrase.
  await eve.join(call.room, { camera: false });
  await waitFor('both tiles to be locked', async () => (await eve.find('participant', { local: 'false', locked: 'true' }).count()) === 2);
  const pictures = () => eve.page.evaluate(() => [...document.querySelectorAll('[data-local="false"] video')]
    .reduce((sum, video) => sum + video.getVideoPlaybackQuality().totalVideoFrames, 0));
  assert.equal(await pictures(), 0, 'eve sees no picture');
  const again = async (passphrase) => {
    await eve.find('settings').click();
    if (!(await eve.find('e2ee').isChecked())) await eve.find('e2ee').check();
    await eve.find('passphrase').fill(passphrase);
    await eve.find('rejoin').click();
    await eve.see('encrypted');
  };
  await again('open barley');
  await waitFor('both tiles to be locked again', async () => (await eve.find('participant', { local: 'false', locked: 'true' }).count()) === 2, 30_000);
  assert.equal(await pictures(), 0, 'another passphrase shows eve no picture');

  // Messages are encrypted too.
  for (const who of [ana, ben, eve]) await who.turnTo('chat');
  await ana.find('chat-input').fill('Nobody but us');
  await ana.find('chat-send').click();
  await ben.find('chat-message', { own: 'false' }).filter({ hasText: 'Nobody but us' }).waitFor();
  assert.equal(await eve.find('chat-message').count(), 0);
  for (const who of [ana, ben, eve]) await who.page.getByRole('tab', { name: 'Room' }).click();

  await again('open sesame');
  await eve.seePictures();
  await waitFor('no tile to be locked', async () => (await eve.find('participant', { local: 'false', locked: 'false' }).count()) === 2, 30_000);
});
