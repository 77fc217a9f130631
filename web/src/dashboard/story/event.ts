import { describe, parseRecord } from '../../roll/record';
import { jobNews, type JobNews } from './job';

// Detail is what an event beyond LiveKit's says in the field "rollcall" of its body.
export type Detail = Record<string, unknown>;

// StoryEvent is one event of a session, without its body: a session has ten
// thousands of them. What of the body the story needs is taken out of it.
export interface StoryEvent {
  seq: number;
  roomSeq: number;
  id: string;
  name: string;
  // When it happened, in milliseconds since 1970.
  at: number;
  participantSid: string;
  identity: string;
  trackSid: string;
  synthesized: boolean;
  actor: string;
  reason: string;
  // In words: whose it is, and what of theirs or why.
  who: string;
  what: string;
  // A track's source, such as CAMERA, and its type; empty for other events.
  source: string;
  type: string;
  detail: Detail | undefined;
  // Of a recording or an encoder; undefined for other events.
  job: JobNews | undefined;
}

// parseEvent reads a record of GET /events; undefined for what is none.
export function parseEvent(data: string): StoryEvent | undefined {
  const record = parseRecord(data);
  if (!record) return undefined;
  const raw = JSON.parse(data) as { actor?: unknown; reason?: unknown };
  const track = object(record.body['track']);
  const { who, what } = describe(record);
  const job = jobNews(record.name, record.body);
  const event: StoryEvent = {
    seq: record.seq,
    roomSeq: record.roomSeq,
    id: record.id,
    name: record.name,
    at: Date.parse(record.time) || 0,
    participantSid: record.participantSid,
    identity: record.identity,
    trackSid: record.trackSid,
    synthesized: record.synthesized,
    actor: string(raw.actor),
    reason: string(raw.reason),
    who: job?.what ?? who,
    what,
    source: record.trackSid === '' ? '' : string(track?.['source']),
    // Proto3 leaves out what is zero, which is AUDIO.
    type: record.trackSid === '' ? '' : string(track?.['type']) || 'AUDIO',
    detail: object(record.body['rollcall']),
    job,
  };
  event.what = told(event) || what;
  return event;
}

// told says what the detail of an event adds, in a few words.
function told({ name, detail, what, job }: StoryEvent): string {
  if (job) return [job.state, job.why].filter(Boolean).join(', ');
  if (!detail) return '';
  switch (name) {
    case 'participant_spoke':
      return `for ${seconds(number(detail['durationMs']))}`;
    case 'connection_quality_changed': {
      const previous = string(detail['previous']);
      return previous === '' ? string(detail['level']) : `${previous} → ${string(detail['level'])}`;
    }
    case 'participant_connection_lost':
      return `${string(detail['cause'])} is silent`;
    case 'subscription_failed':
      return `${what} of ${string(detail['publisher'])}: ${string(detail['error'])}`;
    case 'data_sent':
      return [`${number(detail['bytes'])} bytes, ${string(detail['kind'])}`, string(detail['topic'])].filter(Boolean).join(', ');
    case 'participant_summary':
    case 'room_summary':
      return seconds(number(detail['durationMs']));
    case 'participant_attributes_changed':
      return Array.isArray(detail['keys']) ? detail['keys'].join(', ') : '';
    case 'track_muted':
    case 'track_unmuted':
      return detail['by'] === 'api' ? `${what}, through the API` : '';
    default:
      return '';
  }
}

function seconds(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return `${Math.floor(ms / 60_000)} min ${String(Math.floor(ms / 1000) % 60).padStart(2, '0')} s`;
}

export function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

export function string(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function object(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}
