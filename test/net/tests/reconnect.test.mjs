// Links that change under a call: another address, a link that is down for a
// moment, and one that stays dead.

import assert from 'node:assert/strict';
import { netScene } from '../harness/scene.mjs';
import { wantAudio, wantVideo } from '../../sdk/harness/media.mjs';
import { waitFor } from '../../sdk/harness/wait.mjs';

const stage = netScene({ browser: false });
const patience = 60_000;

/** Alice behind a cable and bob beside the server, who see and hear each other. */
async function meet(call) {
  const home = await call.place('home');
  const alice = await call.browserAt(home, 'alice');
  const bob = await call.node('bob');
  for (const who of [alice, bob]) {
    await who.publishCamera();
    await who.publishMicrophone();
  }
  await media(alice, bob);
  return { home, alice, bob, from: bob.events.list.length };
}

async function media(alice, bob) {
  for (const [who, other] of [[alice, bob], [bob, alice]]) {
    await wantVideo(who, other.identity, 5, patience);
    await wantAudio(who, other.identity, patience);
  }
}

/** What bob was told of others coming, going and changing their tracks. */
function noticed(bob, from) {
  return bob.events.list.slice(from).filter((e) => /^(participant[A-Z]|track)/.test(e.event)).map((e) => e.event);
}

stage.test('a client whose address changes resumes, and nobody notices', async (call) => {
  const { home, alice, bob, from } = await meet(call);
  // livekit-client keeps what is sent while it resumes, and sends it again if the server
  // has had something before: of the first message of all it forgets that.
  await alice.sendData('from home', { reliable: true });
  await bob.events.want('data', { from: 'alice', text: 'from home' }, { deadline: patience });
  await home.readdress();
  await waitFor('media to come from the new address', async () => {
    const routes = await alice.route();
    return routes.length > 0 && routes.every((route) => route.local.startsWith(`${home.ipv4}:`));
  }, patience);
  await media(alice, bob);
  await alice.sendData('from elsewhere', { reliable: true });
  await bob.events.want('data', { from: 'alice', text: 'from elsewhere' }, { deadline: patience });
  assert.equal((await alice.view()).local.sid, alice.sid, 'the same session');
  assert.deepEqual(noticed(bob, from), []);
  assert.equal(alice.events.all('disconnected').length, 0);
});

for (const [what, down, up] of [
  ['loses its link', (home) => home.device('down'), (home) => home.device('up')],
  ['is cut off', (home) => home.cut(), (home) => home.mend()],
]) {
  stage.test(`a client that ${what} for three seconds goes on, and nobody notices`, async (call) => {
    const { home, alice, bob, from } = await meet(call);
    await down(home);
    await new Promise((resolve) => { setTimeout(resolve, 3_000); }); // the time is the cause
    await up(home);
    await media(alice, bob);
    assert.equal((await alice.view()).local.sid, alice.sid, 'the same session');
    assert.deepEqual(noticed(bob, from), []);
    assert.equal(alice.events.all('disconnected').length, 0);
  });
}

stage.test('a client that stays away has left, for the right reason', async (call) => {
  const { home, alice, bob } = await meet(call);
  await home.cut();
  await bob.events.want('participantDisconnected', { identity: 'alice', sid: alice.sid }, { deadline: patience });
  const story = await call.sink.story(call.room, (events) => events.some((e) => e.event === 'participant_left'), patience);
  const left = story.find((e) => e.event === 'participant_left');
  assert.equal(left.participant.sid, alice.sid);
  assert.equal(left.participant.disconnectReason, 14, 'CONNECTION_TIMEOUT');
  const ended = story.filter((e) => ['track_unpublished', 'participant_left'].includes(e.event)).map((e) => e.event);
  assert.deepEqual(ended, ['track_unpublished', 'track_unpublished', 'participant_left']);
});
