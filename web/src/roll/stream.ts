import { parseRecord, type RollRecord } from './record';

// off: no token to read with; waiting: the stream broke, another try follows.
export type StreamState = 'off' | 'connecting' | 'live' | 'waiting';

export interface StreamOptions {
  room: string;
  // Where to go on reading; asked at each connection.
  after: () => number;
  // The token to read with; fresh says that the last one did not open the stream.
  token: (fresh: boolean) => Promise<string | undefined>;
  // live is false for what the log already held when the stream opened.
  onRecords: (records: RollRecord[], live: boolean) => void;
  onState: (state: StreamState) => void;
  // The log does not have the place to go on from: it is another one, or has let go of it.
  // What was read is to be forgotten.
  onLost: () => void;
}

// Records that come this soon after the stream opens are the log's past.
const backlogMs = 700;
// Records are handed on in groups, so that a long past is one rendering.
const groupMs = 40;

// retryDelay is the pause before try n (from 0) to open the stream again.
export function retryDelay(n: number): number {
  return Math.min(1000 * 2 ** n, 15_000);
}

export function eventsURL(room: string, token: string, after: number): string {
  const query = new URLSearchParams({ room, access_token: token });
  if (after > 0) query.set('after', String(after));
  return `/events?${query}`;
}

// isLost asks why a stream does not open, which an EventSource does not tell.
async function isLost(url: string): Promise<boolean> {
  const response = await fetch(`${url}&wait=0&limit=1`, { cache: 'no-store' }).catch(() => undefined);
  return response?.status === 400 || response?.status === 410;
}

// openStream reads a room's records until the returned function is called. It
// reconnects by itself rather than let the EventSource do it: that one gives up
// for good on any HTTP error, which a restarting server may answer.
export function openStream(options: StreamOptions): () => void {
  let closed = false;
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let tries = 0;
  let group: RollRecord[] = [];
  let grouping: ReturnType<typeof setTimeout> | undefined;
  let openedAt = Infinity;

  const flush = (live: boolean) => {
    clearTimeout(grouping);
    grouping = undefined;
    if (group.length === 0) return;
    const records = group;
    group = [];
    options.onRecords(records, live);
  };

  const retry = () => {
    if (closed) return;
    source?.close();
    source = undefined;
    flush(false);
    options.onState('waiting');
    clearTimeout(timer);
    timer = setTimeout(() => void connect(true), retryDelay(tries++));
  };

  const connect = async (again: boolean) => {
    let token: string | undefined;
    try {
      token = await options.token(again && tries > 1);
    } catch {
      retry();
      return;
    }
    if (closed) return;
    if (!token) {
      options.onState('off');
      return;
    }
    openedAt = Infinity;
    const after = options.after();
    const url = eventsURL(options.room, token, after);
    source = new EventSource(url);
    source.onopen = () => {
      tries = 0;
      openedAt = performance.now();
      options.onState('live');
    };
    source.onmessage = (message: MessageEvent<string>) => {
      const record = parseRecord(message.data);
      if (!record) return;
      group.push(record);
      const live = performance.now() - openedAt > backlogMs;
      grouping ??= setTimeout(() => flush(live), groupMs);
    };
    source.onerror = () => {
      const opened = openedAt < Infinity;
      retry();
      if (!opened && after > 0) void isLost(url).then((lost) => lost && !closed && options.onLost());
    };
  };

  options.onState('connecting');
  void connect(false);
  return () => {
    closed = true;
    source?.close();
    clearTimeout(timer);
    clearTimeout(grouping);
  };
}
