import type { Endpoint } from './endpoint';

// EndpointInput is what POST and PATCH of an endpoint take.
export interface EndpointInput {
  url?: string;
  description: string;
  filter: { events: string[]; exclude: string[]; rooms: string[] };
  mode: string;
  format: string;
  fullTrackContext: boolean;
  block: boolean;
  rate: number;
  headers?: Record<string, string>;
}

// InvalidInput says which field is wrong and how.
export class InvalidInput extends Error {
  override name = 'InvalidInput';
}

// inputOf reads the form of an endpoint. An edited one keeps its headers, whose
// values the server does not tell, unless there are new ones; its URL, whose
// query it does not tell either, unless it was changed; and lists as they are that
// were left alone: the names in them may be of another hand.
export function inputOf(form: FormData, edited?: Endpoint): EndpointInput {
  const url = field(form, 'url');
  const rate = field(form, 'rate');
  const headers = headersOf(field(form, 'headers'));
  const input: EndpointInput = {
    description: field(form, 'description'),
    filter: {
      events: list(field(form, 'events'), /[\s,]+/, edited?.filter.events),
      exclude: list(field(form, 'exclude'), /[\s,]+/, edited?.filter.exclude),
      rooms: list(field(form, 'rooms'), /[\n,]+/, edited?.filter.rooms), // their names may have spaces
    },
    mode: field(form, 'mode'),
    format: field(form, 'format'),
    fullTrackContext: form.has('fullTrackContext'),
    block: form.has('block'),
    rate: rate === '' ? 0 : Number(rate),
  };
  if (!Number.isFinite(input.rate) || input.rate < 0) throw new InvalidInput('The rate is a number of requests a second, or empty for no limit.');
  if (edited === undefined || url !== edited.url) input.url = url;
  if (edited === undefined || Object.keys(headers).length > 0) input.headers = headers;
  return input;
}

function field(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value.trim() : '';
}

// shownList is a list as the form shows it.
export function shownList(names: readonly string[] | undefined): string {
  return names?.join(', ') ?? '';
}

// list reads names with something between them; before is what they were.
function list(text: string, between: RegExp, before: readonly string[] | undefined): string[] {
  if (before && text === shownList(before).trim()) return [...before];
  return text.split(between).map((name) => name.trim()).filter((name) => name !== '');
}

// headersOf reads lines such as "X-Tenant: 7".
function headersOf(text: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const colon = line.indexOf(':');
    if (colon < 1) throw new InvalidInput(`“${line.trim()}” is no header: write one a line, as X-Tenant: 7.`);
    headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return headers;
}

// RecoverInput is what POST of a recovery takes.
export interface RecoverInput {
  after?: number;
  since?: string;
  rate?: number;
}

// recoverOf reads the form of a recovery: from a time, of this machine's clock, or
// from an event.
export function recoverOf(form: FormData): RecoverInput {
  const rate = Number(field(form, 'rate'));
  const input: RecoverInput = rate > 0 ? { rate } : {};
  if (field(form, 'from') === 'seq') {
    const seq = Number(field(form, 'seq'));
    if (!Number.isSafeInteger(seq) || seq < 1) throw new InvalidInput('Say from which event on: its number in the log, 1 or more.');
    input.after = seq - 1;
    return input;
  }
  const since = new Date(field(form, 'since'));
  if (Number.isNaN(since.getTime())) throw new InvalidInput('Say from which time on.');
  input.since = since.toISOString();
  return input;
}

// localTime is a time as an input of type datetime-local wants it.
export function localTime(at: Date): string {
  const pad = (n: number) => String(n).padStart(2, '0');
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}T${pad(at.getHours())}:${pad(at.getMinutes())}`;
}
