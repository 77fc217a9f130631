import { plural } from '../ui/format';

// The shapes of the API of endpoints, as docs/openapi.yaml describes them. Times are
// RFC 3339.

export interface Filter {
  events?: string[];
  exclude?: string[];
  rooms?: string[];
  tags?: Record<string, string>;
}

export type State = 'up' | 'down' | 'recovering' | 'disabled' | 'paused' | 'unusable';

export interface Status {
  state: State;
  // Events that are not acknowledged, and how long ago the oldest of them happened.
  lag: number;
  oldestPendingMs: number;
  lanes: number;
  inFlight: number;
  attempts: number;
  successes: number;
  failures: number;
  abandoned: number;
  deadLetters: number;
  missing: number;
  lastError?: string;
  lastErrorAt?: string;
}

export interface Endpoint {
  id: string;
  url: string;
  description: string;
  apiKey: string;
  source: 'config' | 'api' | 'room' | 'egress';
  scope?: string;
  filter: Filter;
  // Their names: values are secret.
  headers: string[];
  mode: 'ordered' | 'parallel';
  batch: { max?: number; waitMs?: number };
  format: 'livekit' | 'cloudevents';
  fullTrackContext: boolean;
  block: boolean;
  rate: number;
  paused: boolean;
  secrets: { expiresAt?: string }[];
  created?: string;
  updated?: string;
  status?: Status;
  // Once, in the answer that made it.
  secret?: string;
}

export interface Attempt {
  at: string;
  seq: number;
  // The first event of a batch.
  first?: number;
  number: number;
  status?: number;
  error?: string;
  response?: string;
  latencyMs: number;
  delivered: boolean;
  late?: boolean;
  requested?: boolean;
}

export interface Lane {
  room?: string;
  waiting: number;
  head?: number;
  headTime?: string;
  attempts: number;
  reason?: string;
  sending: boolean;
  next?: string;
}

export interface DeadLetter {
  seq: number;
  eventId: string;
  name: string;
  room?: string;
  time: string;
  since: string;
  abandonedAt: string;
  attempts: number;
  reason: string;
  next?: string;
}

export interface Recovery {
  id: string;
  request: { endpoint: string; after: number; through?: number; since?: string; toUrl?: string };
  position: number;
  sent: number;
  skipped: number;
  failures: number;
  state: 'running' | 'done' | 'cancelled' | 'failed';
  lastError?: string;
  started: string;
  ended?: string;
}

export type Fate = 'filtered' | 'unread' | 'waiting' | 'pending' | 'delivered' | 'abandoned' | 'dead' | 'before';

export interface Verdict {
  endpoint: string;
  url: string;
  fate: Fate;
  because: string;
  behind?: number;
  next?: string;
  attempts: Attempt[];
}

// LogRecord is an event, as far as these pages look at it.
export interface LogRecord {
  seq: number;
  id: string;
  name: string;
  time: string;
  room: string;
  roomSid: string;
  identity: string;
  reason: string;
}

export interface Explanation {
  event: LogRecord;
  endpoints: Verdict[];
}

export type Tone = 'good' | 'warn' | 'bad' | 'plain';

const states: Record<State, { tone: Tone; label: string; says: string }> = {
  up: { tone: 'good', label: 'Up', says: 'It accepts what it is sent.' },
  recovering: { tone: 'warn', label: 'Recovering', says: 'It is back, and gets more with each success.' },
  down: { tone: 'bad', label: 'Down', says: 'It is probed with one event at a time. Nothing is lost: what waits is sent when it is back.' },
  disabled: { tone: 'bad', label: 'Disabled', says: 'It answered 410 Gone. Resume it to go on.' },
  unusable: { tone: 'bad', label: 'Unusable', says: 'Its API key is gone, and what happens waits in the log. Set one that there is, or delete it.' },
  paused: { tone: 'warn', label: 'Paused', says: 'Nothing is sent. What happens meanwhile waits in the log.' },
};

export function stateOf(endpoint: Endpoint): { tone: Tone; label: string; says: string } {
  return endpoint.status ? states[endpoint.status.state] : { tone: 'plain', label: 'Starting', says: '' };
}

// summaryOf is how deliveries to all endpoints go, in words.
export function summaryOf(endpoints: readonly Endpoint[]): string {
  const sum = (of: (status: Status) => number) => endpoints.reduce((total, { status }) => total + (status ? of(status) : 0), 0);
  const trouble = sum(({ state }) => (state === 'up' || state === 'paused' ? 0 : 1));
  const waiting = sum(({ lag }) => lag);
  const dead = sum(({ deadLetters }) => deadLetters);
  return [
    plural(endpoints.length, 'endpoint'),
    trouble > 0 && `${trouble} in trouble`,
    waiting > 0 && plural(waiting, 'event waits', 'events wait'),
    dead > 0 && plural(dead, 'dead letter'),
    waiting === 0 && dead === 0 && 'everything is delivered',
  ].filter(Boolean).join(', ');
}

// successRate is a share of 1, or undefined when nothing was tried since the start
// of the server.
export function successRate(status: Status | undefined): number | undefined {
  if (!status || status.attempts === 0) return undefined;
  return status.successes / status.attempts;
}

const fates: Record<Fate, { tone: Tone; label: string }> = {
  delivered: { tone: 'good', label: 'Delivered' },
  pending: { tone: 'warn', label: 'Being sent' },
  waiting: { tone: 'warn', label: 'Waiting' },
  unread: { tone: 'warn', label: 'Not read yet' },
  abandoned: { tone: 'bad', label: 'Given up for now' },
  dead: { tone: 'bad', label: 'Dead letter' },
  filtered: { tone: 'plain', label: 'Not wanted' },
  before: { tone: 'plain', label: 'Before its time' },
};

export function fateOf(verdict: Verdict): { tone: Tone; label: string } {
  if (verdict.fate === 'pending' && verdict.attempts.some((attempt) => !attempt.delivered)) return { tone: 'bad', label: 'Refused so far' };
  return fates[verdict.fate];
}

// outcome is an attempt in a few words.
export function outcome(attempt: Attempt): string {
  if (attempt.status) return `${attempt.status}${statusWords[attempt.status] ? ` ${statusWords[attempt.status]}` : ''}`;
  return attempt.error ?? 'no answer';
}

const statusWords: Record<number, string> = {
  200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content', 301: 'Moved Permanently', 302: 'Found', 400: 'Bad Request', 401: 'Unauthorized',
  403: 'Forbidden', 404: 'Not Found', 408: 'Request Timeout', 410: 'Gone', 413: 'Content Too Large', 429: 'Too Many Requests',
  500: 'Internal Server Error', 502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Gateway Timeout',
};

// Tried is one event, or one batch, with the attempts at it that are known.
export interface Tried {
  // Of the last event; first is that of a batch's first.
  seq: number;
  first: number | undefined;
  // The newest first.
  attempts: Attempt[];
}

// byEvent gathers attempts, the newest first, by their events: the one that was
// tried last comes first.
export function byEvent(attempts: readonly Attempt[]): Tried[] {
  const bySeq = new Map<string, Tried>();
  for (const attempt of attempts) {
    const key = `${attempt.first ?? attempt.seq}-${attempt.seq}`;
    const tried = bySeq.get(key);
    if (tried) tried.attempts.push(attempt);
    else bySeq.set(key, { seq: attempt.seq, first: attempt.first, attempts: [attempt] });
  }
  return [...bySeq.values()];
}
