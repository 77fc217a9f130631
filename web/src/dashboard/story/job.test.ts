import { expect, test } from 'vitest';
import { parseEvent, type StoryEvent } from './event';
import { jobNews } from './job';
import { Story } from './story';

const start = Date.UTC(2026, 10, 27, 10, 0, 0);
const at = (s: number) => start + s * 1000;

function told(seq: number, s: number, name: string, body: object, more: object = {}): StoryEvent {
  const event = parseEvent(JSON.stringify({ seq, roomSeq: seq, id: `id-${seq}`, name, time: new Date(at(s)).toISOString(), room: 'den', roomSid: 'RM_1', body: { event: name, ...body }, ...more }));
  if (!event) throw new Error('not an event');
  return event;
}

const egress = (seq: number, s: number, name: string, info: object) => told(seq, s, name, { egressInfo: { egressId: 'EG_1', roomId: 'RM_1', ...info } });
const ingress = (seq: number, s: number, name: string, state: object) =>
  told(seq, s, name, { ingressInfo: { ingressId: 'IN_1', name: 'stage', inputType: 'WHIP_INPUT', state } });

function tell(...events: StoryEvent[]): Story {
  const story = new Story();
  story.add(events);
  return story;
}

test('a recording goes from its start to its end, also past that of the room', () => {
  const room = { roomComposite: { roomName: 'den' } };
  const story = tell(
    // Proto3 leaves out EGRESS_STARTING, which is 0.
    egress(1, 1, 'egress_started', room),
    egress(2, 2, 'egress_updated', { ...room, status: 'EGRESS_ACTIVE', fileResults: [{ filename: 'den.mp4' }] }),
  );
  expect(story.jobs.list).toMatchObject([{ kind: 'recording', id: 'EG_1', what: 'the room', state: 'recording', tone: 'live', from: at(1), to: undefined, outputs: ['file den.mp4'] }]);
  expect(story.people).toEqual([]);
  story.add([told(3, 9, 'room_finished', {})]);
  expect([story.to, story.jobs.running]).toEqual([at(9), true]);
  story.add([egress(4, 11, 'egress_ended', { ...room, status: 'EGRESS_COMPLETE', details: 'End reason: Source closed', fileResults: [{ filename: 'den.mp4' }] })]);
  expect(story.jobs.list).toMatchObject([{ state: 'complete', tone: 'done', from: at(1), to: at(11), why: 'Source closed' }]);
  expect([story.jobs.running, story.end(0)]).toEqual([false, at(11)]);
  expect(story.events.map(({ who, what }) => [who, what])).toEqual([['the room', 'starting'], ['the room', 'recording'], ['den', ''], ['the room', 'complete, Source closed']]);
});

test('one that failed says why, and where it went', () => {
  const story = tell(
    egress(1, 1, 'egress_started', { participant: { identity: 'ana' } }),
    egress(2, 8, 'egress_ended', {
      participant: { identity: 'ana' }, status: 'EGRESS_FAILED', error: 'no room on the disk', details: 'End reason: Failure',
      segmentResults: [{ playlistName: 'ana.m3u8' }], imageResults: [{ filenamePrefix: 'ana_' }],
      streamResults: [{ url: 'rtmp://live/{redacted}' }, { url: 'srt://x', status: 'FAILED', error: 'refused' }],
    }),
  );
  expect(story.jobs.list).toMatchObject([{
    what: 'ana', state: 'failed', tone: 'bad', why: 'no room on the disk',
    outputs: ['playlist ana.m3u8', 'images ana_', 'stream rtmp://live/{redacted}, active', 'stream srt://x, failed: refused'],
  }]);
  expect(['EGRESS_LIMIT_REACHED', 'EGRESS_ABORTED', 'EGRESS_SLEEPING'].map((status) => {
    const news = jobNews('egress_ended', { egressInfo: { egressId: 'EG_1', status } });
    return [news?.state, news?.tone];
  })).toEqual([['limit reached', 'warn'], ['nothing came', 'none'], ['sleeping', 'none']]);
});

test('a recorded track is named by who publishes it', () => {
  const story = tell(
    told(1, 0, 'track_published', { participant: { name: 'Ana' }, track: { source: 'MICROPHONE' } }, { participantSid: 'PA_1', identity: 'ana', trackSid: 'TR_1' }),
    egress(2, 1, 'egress_started', { track: { trackId: 'TR_1' } }),
    told(3, 2, 'track_unpublished', { participant: { name: 'Ana' }, track: { source: 'MICROPHONE' } }, { participantSid: 'PA_1', identity: 'ana', trackSid: 'TR_1' }),
    egress(4, 3, 'egress_ended', { track: { trackId: 'TR_1' }, status: 'EGRESS_COMPLETE' }),
    told(5, 4, 'egress_started', { egressInfo: { egressId: 'EG_2', track: { trackId: 'TR_9' } } }),
  );
  expect(story.jobs.list.map(({ what, to }) => [what, to])).toEqual([['Ana, microphone', at(3)], ['track TR_9', undefined]]);
  expect(story.events.map(({ who }) => who)).toEqual(['Ana', 'Ana, microphone', 'Ana', 'Ana, microphone', 'track TR_9']);
});

test('an encoder that comes again is a bar of its own', () => {
  const story = tell(
    ingress(1, 1, 'ingress_started', { status: 'ENDPOINT_PUBLISHING' }),
    ingress(2, 5, 'ingress_ended', { status: 'ENDPOINT_COMPLETE' }),
    ingress(3, 6, 'ingress_started', { status: 'ENDPOINT_PUBLISHING' }),
    ingress(4, 7, 'ingress_ended', { status: 'ENDPOINT_ERROR', error: 'nothing came for 30 s' }),
    // Who deleted the room did not have it fail.
    ingress(5, 8, 'ingress_started', { status: 'ENDPOINT_PUBLISHING' }),
    ingress(6, 9, 'ingress_ended', { error: 'the room was deleted' }),
    // It never published.
    ingress(7, 20, 'ingress_ended', { status: 'ENDPOINT_ERROR', error: 'no codec', startedAt: `${at(15)}000000` }),
  );
  expect(story.jobs.list.map(({ key, from, to, state, tone, why }) => [key, from, to, state, tone, why])).toEqual([
    ['IN_1 0', at(1), at(5), 'complete', 'done', ''],
    ['IN_1 1', at(6), at(7), 'failed', 'bad', 'nothing came for 30 s'],
    ['IN_1 2', at(8), at(9), 'ended', 'done', 'the room was deleted'],
    ['IN_1 3', at(15), at(20), 'failed', 'bad', 'no codec'],
  ]);
  expect(story.jobs.list[0]).toMatchObject({ kind: 'ingress', what: 'stage', outputs: ['from WHIP'] });
});

test('what lost its beginning begins when it says', () => {
  const story = tell(egress(1, 60, 'egress_ended', { status: 'EGRESS_COMPLETE', startedAt: `${at(2)}000000` }));
  expect(story.jobs.list).toMatchObject([{ from: at(2), to: at(60) }]);
});

test('what is of no recording changes none', () => {
  expect(jobNews('room_started', { egressInfo: { egressId: 'EG_1' } })).toBeUndefined();
  expect(jobNews('egress_started', {})).toBeUndefined();
  expect(jobNews('ingress_started', { ingressInfo: {} })).toBeUndefined();
});
