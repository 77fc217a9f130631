// A record of the room's log, as the server's event stream sends it.
export interface RollRecord {
  // Place in the server's whole log.
  seq: number;
  // Place in the room session roomSid: consecutive, from 1.
  roomSeq: number;
  id: string;
  name: string;
  // RFC 3339 with microseconds.
  time: string;
  room: string;
  roomSid: string;
  participantSid: string;
  identity: string;
  trackSid: string;
  // The server concluded this after a crash; it did not see it.
  synthesized: boolean;
  // The webhook's JSON.
  body: Record<string, unknown>;
}

// parseRecord reads one message of the stream; undefined for what is not a
// record, so that a later server may send more kinds.
export function parseRecord(data: string): RollRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { seq, name } = value;
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1 || typeof name !== 'string' || name === '') {
    return undefined;
  }
  return {
    seq,
    roomSeq: typeof value['roomSeq'] === 'number' ? value['roomSeq'] : 0,
    id: text(value['id']),
    name,
    time: text(value['time']),
    room: text(value['room']),
    roomSid: text(value['roomSid']),
    participantSid: text(value['participantSid']),
    identity: text(value['identity']),
    trackSid: text(value['trackSid']),
    synthesized: value['synthesized'] === true,
    body: isObject(value['body']) ? value['body'] : {},
  };
}

// What a record does to the thing it names; it picks the row's mark.
export type Effect = 'opens' | 'closes' | 'fails' | 'changes';

export function effect(name: string): Effect {
  if (name.endsWith('_aborted')) return 'fails';
  if (/_(started|joined|published)$/.test(name)) return 'opens';
  if (/_(finished|left|unpublished|ended)$/.test(name)) return 'closes';
  return 'changes';
}

export interface Description {
  // Whose record it is: a participant's name, else identity, else the room.
  who: string;
  // What of theirs, or why; may be empty.
  what: string;
}

// describe says a record in words, from the webhook body that it carries.
export function describe(record: RollRecord): Description {
  const { body } = record;
  const participant = isObject(body['participant']) ? body['participant'] : {};
  const who = text(participant['name']) || record.identity || record.room;
  if (record.trackSid !== '') {
    const track = isObject(body['track']) ? body['track'] : {};
    return { who, what: words(text(track['source']) || text(track['type']) || 'audio') };
  }
  if (record.participantSid !== '') {
    return { who, what: words(text(participant['disconnectReason'])) };
  }
  return { who, what: words(text(body['roomEndReason']).replace(/^ROOM_END_(REASON_)?/, '')) };
}

// clock formats a record's time for its row: local time of day, to the millisecond.
export function clock(time: string): string {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return '';
  const pad = (n: number, width: number) => String(n).padStart(width, '0');
  return `${pad(at.getHours(), 2)}:${pad(at.getMinutes(), 2)}:${pad(at.getSeconds(), 2)}.${pad(at.getMilliseconds(), 3)}`;
}

// day is the record's local date, for the line above its session.
export function day(time: string): string {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return '';
  return at.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
}

function words(enumName: string): string {
  return enumName.toLowerCase().replaceAll('_', ' ');
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
