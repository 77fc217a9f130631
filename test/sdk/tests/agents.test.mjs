// Agents of the LiveKit Agents framework for Python, dispatched in every way
// there is, and the events of their jobs.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { AgentDispatchClient } from 'livekit-server-sdk';
import { RoomAgentDispatch, RoomConfiguration } from '@livekit/protocol';
import { AgentWorker } from '../harness/agentworker.mjs';
import { scene } from '../harness/scene.mjs';
import { apiKey, apiSecret } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene({ browser: false });
const patience = 60_000;

/** The worker for the agent "named", which all tests share. */
let starting;
const worker = () => starting ??= AgentWorker.start(stage.server, 'named');
after(async () => { await (await starting)?.stop(); });

/** The agent answers what it is sent. */
async function wantEcho(guest, text) {
  await waitFor(`the agent to echo "${text}"`, async () => {
    await guest.sendData(text);
    return guest.events.all('data').some((e) => e.text === `echo ${text}`);
  }, patience);
}

const jobEvents = (sink, room) => sink.accepted(room).map((a) => a.event).filter((e) => e.event.startsWith('agent_job_'));

/** The job's events are these, each with its state. */
async function wantJob(call, ...want) {
  const seen = () => jobEvents(call.sink, call.room).map((e) => `${e.event} ${e.job.state.status}`);
  await waitFor(`the job's events ${want}`, () => seen().length >= want.length, patience);
  assert.deepEqual(seen(), want);
  return jobEvents(call.sink, call.room);
}

// JobStatus of the protocol.
const [pending, running, success, failed] = [0, 1, 2, 3];

stage.test('an agent is dispatched by the API, answers, and its job is told from start to end', async (call) => {
  await worker();
  const guest = await call.node('guest');
  const dispatches = new AgentDispatchClient(call.server.url, apiKey, apiSecret);
  const made = await dispatches.createDispatch(call.room, 'named', { metadata: 'by the API' });
  assert.equal(made.agentName, 'named');
  await wantEcho(guest, 'hello');

  const info = await waitFor('the agent to be listed', async () =>
    (await call.api.listParticipants(call.room)).find((p) => p.identity === 'helper' && p.attributes.metadata));
  assert.equal(info.attributes.metadata, 'by the API');
  assert.equal(info.kind, 4, 'it is of the kind AGENT');
  const [room] = await call.api.listRooms([call.room]);
  assert.equal(room.numParticipants, 1, 'agents do not count');
  const [listed] = await dispatches.listDispatch(call.room);
  assert.equal(listed.state.jobs[0].state.status, running);
  assert.equal(info.attributes.job, listed.state.jobs[0].id);

  await guest.sendData('bye');
  const [first, , last] = await wantJob(call, `agent_job_pending ${pending}`, `agent_job_started ${running}`, `agent_job_ended ${success}`);
  assert.equal(first.job.id, last.job.id);
  assert.equal(last.job.room.name, call.room);
  call.sink.assertAllVerified();
});

stage.test('an agent comes with the room: by CreateRoom and by a token', async (call) => {
  await worker();
  await call.api.createRoom({ name: call.room, agents: [new RoomAgentDispatch({ agentName: 'named', metadata: 'by CreateRoom' })] });
  const guest = await call.node('guest');
  await wantEcho(guest, 'one');
  await guest.leave();
  await wantJob(call, `agent_job_pending ${pending}`, `agent_job_started ${running}`, `agent_job_ended ${success}`);

  call.room += '-2';
  const roomConfig = new RoomConfiguration({ agents: [new RoomAgentDispatch({ agentName: 'named', metadata: 'by token' })] });
  const other = await call.node('guest', { roomConfig });
  await wantEcho(other, 'two');
  // It sets the attribute after it begins to answer.
  await waitFor('the agent to show its metadata', async () =>
    (await call.api.listParticipants(call.room)).find((p) => p.identity === 'helper')?.attributes.metadata === 'by token', patience);
});

stage.test('a worker for every room gets one, and a dispatch that is deleted ends its agent', async (call) => {
  const everyRoom = await AgentWorker.start(call.server, '');
  try {
    const guest = await call.node('guest');
    await wantEcho(guest, 'hello');
    const dispatches = new AgentDispatchClient(call.server.url, apiKey, apiSecret);
    const [dispatch] = await dispatches.listDispatch(call.room);
    await dispatches.deleteDispatch(dispatch.id, call.room);
    await waitFor('the agent to go', async () =>
      (await call.api.listParticipants(call.room)).every((p) => p.identity !== 'helper'), patience);
    await wantJob(call, `agent_job_pending ${pending}`, `agent_job_started ${running}`, `agent_job_ended ${success}`);
  } finally {
    await everyRoom.stop();
  }
});

stage.test('the agent of examples/agent welcomes who is there and who comes', async (call) => {
  const greeter = await AgentWorker.startExample(call.server);
  try {
    await call.api.createRoom({ name: call.room, agents: [new RoomAgentDispatch({ agentName: 'greeter' })] });
    for (const identity of ['first', 'second']) {
      const guest = await call.node(identity);
      await waitFor(`${identity} to be welcomed`, () =>
        guest.events.all('data').some((e) => e.text === `welcome to ${call.room}, ${identity}`), patience);
    }
  } finally {
    await greeter.stop();
  }
});

stage.test('a job waits for its worker, and ends with its room if none comes', async (call) => {
  await call.api.createRoom({ name: call.room, agents: [new RoomAgentDispatch({ agentName: 'nobody' })] });
  await call.api.deleteRoom(call.room);
  await wantJob(call, `agent_job_pending ${pending}`, `agent_job_ended ${failed}`);
});

stage.test('a job goes on when the server was killed under its agent', async (call) => {
  const named = await worker();
  await call.api.createRoom({ name: call.room, departureTimeout: 120 }); // who comes back may take a while
  const guest = await call.node('guest');
  const dispatches = new AgentDispatchClient(call.server.url, apiKey, apiSecret);
  await dispatches.createDispatch(call.room, 'named');
  await wantEcho(guest, 'before');
  const before = named.registrations();
  await call.server.end('SIGKILL');
  await call.server.run();
  await waitFor('the worker to come back', () => named.registrations() > before, patience);
  await waitFor('both to be back', async () =>
    (await call.api.listParticipants(call.room)).filter((p) => p.state === 2).length === 2, patience);
  await wantEcho(guest, 'after');
  await guest.sendData('bye');
  await wantJob(call, `agent_job_pending ${pending}`, `agent_job_started ${running}`, `agent_job_ended ${success}`);
});

stage.test('a job whose worker dies is given to another', async (call) => {
  const first = await AgentWorker.start(call.server, 'mortal');
  const guest = await call.node('guest');
  const dispatches = new AgentDispatchClient(call.server.url, apiKey, apiSecret);
  await dispatches.createDispatch(call.room, 'mortal');
  await wantEcho(guest, 'before');
  await first.stop();
  const second = await AgentWorker.start(call.server, 'mortal');
  try {
    await waitFor('the second agent', () => jobEvents(call.sink, call.room).length >= 4, 90_000);
    await wantEcho(guest, 'after');
    await guest.sendData('bye');
    await wantJob(call, `agent_job_pending ${pending}`, `agent_job_started ${running}`,
      `agent_job_pending ${pending}`, `agent_job_started ${running}`, `agent_job_ended ${success}`);
  } finally {
    await second.stop();
  }
});
