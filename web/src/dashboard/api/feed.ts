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
    try {
      await read(options, closing, () => {
        tries = 0;
      });
    } catch (err) {
      if (closing.aborted) return;
      why = messageOf(err);
      if (isRefusal(err)) {
        options.onState('refused', why);
        return;
      }
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

// pause waits for ms, or until the page is seen again or the network is back.
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
