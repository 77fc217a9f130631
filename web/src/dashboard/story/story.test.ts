import { expect, test } from 'vitest';
import { parseEvent, type StoryEvent } from './event';
import { kindOf, matches, nearest } from './filter';
import { Story } from './story';

const start = Date.UTC(2026, 10, 27, 10, 0, 0);

// A told event: seconds after the start, its name, and what it is of.
interface Told {
  s: number;
  name: string;
  who?: string;
  track?: string;
  source?: string;
  type?: string;
  detail?: object;
  reason?: string;
  actor?: string;
}

let nextSeq = 100;

function told({ s, name, who, track, source, type, detail, reason = '', actor = 'client' }: Told): StoryEvent {
  const seq = nextSeq++;
  const event = parseEvent(
    JSON.stringify({
      seq, roomSeq: seq - 99, id: `id-${seq}`, name, time: new Date(start + s * 1000).toISOString(), room: 'den', roomSid: 'RM_1',
      participantSid: who ? `PA_${who}` : '', identity: who?.replace(/\d$/, '') ?? '', trackSid: track ?? '', synthesized: false, actor, reason,
      body: {
        event: name,
        ...(who && { participant: { name: who.startsWith('ana') ? 'Ana' : '' } }),
        ...(track && { track: { source, type } }),
        ...(detail && { rollcall: detail }),
      },
    }),
  );
  if (!event) throw new Error('not an event');
  return event;
}

function tell(...events: Told[]): Story {
  nextSeq = 100;
  const story = new Story();
  story.add(events.map(told));
  return story;
}

const at = (s: number) => start + s * 1000;

test('a stay goes from the accepted join to the leave, with its gaps', () => {
  const story = tell(
    { s: 0, name: 'room_started' },
    { s: 1, name: 'participant_connecting', who: 'ana1' },
    { s: 1.5, name: 'participant_joined', who: 'ana1' },
    { s: 10, name: 'participant_connection_lost', who: 'ana1', detail: { cause: 'signal' } },
    { s: 11, name: 'participant_reconnecting', who: 'ana1' },
    { s: 12, name: 'participant_resumed', who: 'ana1' },
    { s: 20, name: 'participant_connection_lost', who: 'ana1', detail: { cause: 'transport' } },
    { s: 40, name: 'participant_left', who: 'ana1', reason: 'connection_timeout', actor: 'server' },
    { s: 50, name: 'participant_connecting', who: 'ana2' },
    { s: 55, name: 'participant_connection_aborted', who: 'ana2', reason: 'join_timeout' },
  );
  expect(story.people).toHaveLength(1);
  const [person] = story.people;
  expect(person).toMatchObject({ identity: 'ana', name: 'Ana' });
  expect(person?.stays).toMatchObject([
    {
      connecting: at(1), joined: at(1.5), left: at(40), aborted: false, reason: 'connection_timeout', actor: 'server', resumes: 1,
      gaps: [{ from: at(10), to: at(12), resumed: true }, { from: at(20), to: at(40), resumed: false }],
    },
    { connecting: at(50), joined: undefined, left: at(55), aborted: true, reason: 'join_timeout' },
  ]);
});

test('tracks of one source share a lane, unless they run at the same time', () => {
  const story = tell(
    { s: 0, name: 'participant_joined', who: 'ana1' },
    { s: 1, name: 'track_published', who: 'ana1', track: 'TR_1', source: 'MICROPHONE' },
    { s: 2, name: 'track_muted', who: 'ana1', track: 'TR_1', source: 'MICROPHONE' },
    { s: 3, name: 'track_unmuted', who: 'ana1', track: 'TR_1', source: 'MICROPHONE' },
    { s: 4, name: 'track_muted', who: 'ana1', track: 'TR_1', source: 'MICROPHONE' },
    { s: 5, name: 'track_unpublished', who: 'ana1', track: 'TR_1', source: 'MICROPHONE' },
    { s: 6, name: 'track_published', who: 'ana1', track: 'TR_2', source: 'MICROPHONE' },
    { s: 6, name: 'track_published', who: 'ana1', track: 'TR_3', source: 'CAMERA', type: 'VIDEO' },
    { s: 7, name: 'track_published', who: 'ana1', track: 'TR_4', source: 'CAMERA', type: 'VIDEO' },
    { s: 8, name: 'track_published', who: 'ana1', track: 'TR_5', source: 'SCREEN_SHARE', type: 'VIDEO' },
    { s: 9, name: 'subscription_failed', who: 'ana1', track: 'TR_9', source: 'CAMERA', type: 'VIDEO', detail: { publisher: 'bert', error: 'no codec' } },
  );
  expect(story.people[0]?.lanes.map((lane) => [lane.label, lane.kind, lane.tracks.map((track) => track.sid)])).toEqual([
    ['microphone', 'audio', ['TR_1', 'TR_2']],
    ['camera', 'video', ['TR_3']],
    ['camera 2', 'video', ['TR_4']],
    ['screen share', 'screen', ['TR_5']],
  ]);
  expect(story.people[0]?.lanes[0]?.tracks[0]).toEqual({
    sid: 'TR_1', from: at(1), to: at(5), muted: [{ from: at(2), to: at(3) }, { from: at(4), to: at(5) }],
  });
  expect(story.events.at(-1)?.what).toBe('camera of bert: no codec');
});

test('speech and quality are spans of time', () => {
  const story = tell(
    { s: 0, name: 'participant_joined', who: 'ana1' },
    { s: 5, name: 'participant_spoke', who: 'ana1', detail: { startedAt: new Date(at(2)).toISOString(), durationMs: 2500 } },
    { s: 6, name: 'connection_quality_changed', who: 'ana1', detail: { level: 'good' } },
    { s: 8, name: 'connection_quality_changed', who: 'ana1', detail: { level: 'poor', previous: 'good' } },
    { s: 20, name: 'participant_left', who: 'ana1' },
  );
  expect(story.people[0]?.speech).toEqual([{ from: at(2), to: at(4.5) }]);
  expect(story.people[0]?.stays[0]?.quality).toEqual([
    { level: 'good', from: at(6), to: at(8) },
    { level: 'poor', from: at(8), to: at(20) },
  ]);
  expect(story.totals(at(20)).quality).toEqual({ excellent: 0, good: 2000, poor: 12_000, lost: 0 });
  expect(story.events.map((event) => event.what)).toEqual(['', 'for 2.5 s', 'good', 'good → poor', '']);
});

test('a session that goes on is summed up from what is seen, one that is over as the server says', () => {
  const open: Told[] = [
    { s: 0, name: 'room_started' },
    { s: 1, name: 'participant_connecting', who: 'ana1' },
    { s: 1.4, name: 'participant_joined', who: 'ana1' },
    { s: 2, name: 'participant_connecting', who: 'bert1' },
    { s: 2.2, name: 'participant_joined', who: 'bert1' },
    { s: 5, name: 'participant_spoke', who: 'ana1', detail: { startedAt: new Date(at(3)).toISOString(), durationMs: 2000 } },
    { s: 6, name: 'participant_left', who: 'bert1', reason: 'client_initiated' },
    { s: 6, name: 'participant_summary', who: 'bert1', detail: { firstMediaMs: 300, durationMs: 3800 } },
  ];
  expect(tell(...open).totals(at(10))).toMatchObject({
    durationMs: 10_000, people: 2, stays: 2, peak: 2, talkMs: 2000, resumes: 0, joinMs: 300, mediaMs: 300,
  });
  const over = tell(
    ...open,
    { s: 11, name: 'participant_left', who: 'ana1' },
    { s: 31, name: 'room_summary', detail: { durationMs: 31_000, talkMs: 2100, resumes: 1, peak: 2, tracksPublished: 3, firstMediaMs: -1, qualityMs: { good: 10 } } },
    { s: 31, name: 'room_finished', reason: 'departure_timeout', actor: 'server' },
  );
  expect(over.totals(at(999))).toMatchObject({ durationMs: 31_000, talkMs: 2100, resumes: 1, tracks: 3, mediaMs: 300, quality: { good: 10, poor: 0 } });
  expect([over.to, over.reason, over.actor]).toEqual([at(31), 'departure_timeout', 'server']);
});

test('what comes twice is told once', () => {
  const story = tell({ s: 0, name: 'participant_joined', who: 'ana1' });
  const version = story.version;
  story.add(story.events);
  expect([story.events.length, story.people[0]?.stays.length, story.version]).toEqual([1, 1, version + 1]);
});

test('a session with thousands of people and events is told in its order', () => {
  nextSeq = 1;
  const events: StoryEvent[] = [];
  for (let i = 0; i < 2000; i++) events.push(told({ s: i / 10, name: 'participant_joined', who: `p${i}x1` }));
  for (let i = 0; i < 8000; i++) events.push(told({ s: 200 + i, name: 'connection_quality_changed', who: `p${i % 2000}x1`, detail: { level: 'good' } }));
  const story = new Story();
  for (let at = 0; at < events.length; at += 1000) story.add(events.slice(at, at + 1000));
  expect([story.events.length, story.people.length, story.people[1999]?.index, story.totals(0).peak]).toEqual([10_000, 2000, 1999, 2000]);
});

test('events are filtered by kind, person and words, and found by seq', () => {
  const { events } = tell(
    { s: 0, name: 'room_started' },
    { s: 1, name: 'participant_joined', who: 'ana1' },
    { s: 2, name: 'track_muted', who: 'bert1', track: 'TR_1', source: 'CAMERA', type: 'VIDEO' },
    { s: 3, name: 'participant_left', who: 'ana1', reason: 'duplicate_identity' },
  );
  const names = (filter: Partial<Parameters<typeof matches>[1]>) => matches(events, { kinds: new Set(), text: '', identity: '', ...filter }).map((event) => event.name);
  expect(names({})).toHaveLength(4);
  expect(names({ kinds: new Set(['people']) })).toEqual(['participant_joined', 'participant_left']);
  expect(names({ kinds: new Set(['people', 'room']), identity: 'ana' })).toEqual(['participant_joined', 'participant_left']);
  expect(names({ text: ' DUPLICATE' })).toEqual(['participant_left']);
  expect(names({ text: 'camera' })).toEqual(['track_muted']);
  expect([0, 99, 100, 102, 500].map((seq) => nearest(events, seq))).toEqual([-1, -1, 0, 2, 3]);
  expect(['participant_connection_aborted', 'participant_resumed', 'data_sent', 'something_new'].map(kindOf)).toEqual(['people', 'connection', 'room', 'room']);
});

test('what is no record is passed over', () => {
  expect(parseEvent('{"seq":0}')).toBeUndefined();
});
