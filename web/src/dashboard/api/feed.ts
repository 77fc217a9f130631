import { isRefusal, messageOf, request } from './client';
import { Parser, type Message } from './sse';

// connecting: no answer yet; live: messages come; waiting: it broke, another try
// follows; refused: the server will not, and says why.
export type FeedState = 'connecting' | 'live' | 'waiting' | 'refused';

export interface FeedOptions {
  // Asked for at each connection, so that a feed can go on where it was.
  path: () => string;
  // Called with all messages of one arrival.
  onMessages: (messages: Message[]) => void;
  onState: (state: FeedState, why: string) => void;
}

// A feed that is silent for this long is taken for broken: the server sends a
// comment every 15 s.
const silenceMs = 40_000;

// A page that nobody looks at for this long has no stream: over HTTP/1.1 a browser has six
// connections to a server for all of its tabs, and a stream takes one.
const unseenMs = 10_000;

// retryDelay is the pause before try n (from 0), with chance in it, so that not all
// pages come back to a restarted server at once.
export function retryDelay(n: number, chance = Math.random()): number {
  return Math.min(500 * 2 ** n, 15_000) * (0.5 + chance / 2);
}

// openFeed reads server-sent events until the returned function is called. Not by
// an EventSource: that cannot send a token but in the address, and gives up for
// good on any answer that is an error.
export function openFeed(options: FeedOptions): () => void {
  const closing = new AbortController();
  void follow(options, closing.signal);
  return () => closing.abort();
}

async function follow(options: FeedOptions, closing: AbortSignal): Promise<void> {
  let tries = 0;
  options.onState('connecting', '');
  while (!closing.aborted) {
    let why = 'The stream ended.';
    const unseen = untilUnseen();
    try {
      await read(options, AbortSignal.any([closing, unseen.signal]), () => {
        tries = 0;
      });
    } catch (err) {
      if (closing.aborted) return;
      if (unseen.signal.aborted) {
        await seen(closing);
        if (!closing.aborted) options.onState('connecting', '');
        continue;
      }
      why = messageOf(err);
      if (isRefusal(err)) {
        options.onState('refused', why);
        return;
      }
    } finally {
      unseen.stop();
    }
    if (closing.aborted) return;
    options.onState('waiting', why);
    await pause(retryDelay(tries++), closing);
  }
}

async function read(options: FeedOptions, closing: AbortSignal, onOpen: () => void): Promise<void> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), silenceMs);
  try {
    const response = await request(options.path(), {
      signal: AbortSignal.any([closing, silence.signal]),
      headers: { Accept: 'text/event-stream' },
    });
    if (!response.body) throw new Error('The answer has no body.');
    onOpen();
    options.onState('live', '');
    const parser = new Parser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), silenceMs);
      const messages = parser.push(value);
      if (messages.length > 0 && !closing.aborted) options.onMessages(messages);
    }
  } finally {
    clearTimeout(timer);
  }
}

// untilUnseen is aborted once nobody has looked at the page for a while.
function untilUnseen(): { signal: AbortSignal; stop: () => void } {
  const unseen = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => unseen.abort(), unseenMs);
  };
  document.addEventListener('visibilitychange', look);
  look();
  const stop = () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', look);
  };
  return { signal: unseen.signal, stop };
}

// seen waits until somebody looks at the page.
function seen(closing: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden && !closing.aborted) return;
      document.removeEventListener('visibilitychange', look);
      closing.removeEventListener('abort', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    closing.addEventListener('abort', look);
    look();
  });
}

// pause waits for ms, or until the network is back.
function pause(ms: number, closing: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      closing.removeEventListener('abort', done);
      removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    closing.addEventListener('abort', done);
    addEventListener('online', done);
  });
}
