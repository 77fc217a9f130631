import { useEffect, useRef, useState } from 'react';
import { openFeed, type FeedState } from './feed';
import { reportFeed } from './health';
import type { Message } from './sse';

export interface Feed {
  state: FeedState;
  // Why it is waiting or refused; else empty.
  why: string;
}

// useFeed follows a stream of the server for as long as the component is there and
// the path stays; undefined follows none. Its state shows in the shell's banner.
export function useFeed(path: string | undefined, onMessages: (messages: Message[]) => void): Feed {
  const [feed, setFeed] = useState<Feed>({ state: 'connecting', why: '' });
  const handler = useRef(onMessages);
  handler.current = onMessages;
  useEffect(() => {
    if (path === undefined) return;
    const id = Symbol(path);
    const close = openFeed({
      path: () => path,
      onMessages: (messages) => handler.current(messages),
      onState: (state, why) => {
        setFeed({ state, why });
        reportFeed(id, state);
      },
    });
    return () => {
      close();
      reportFeed(id, undefined);
    };
  }, [path]);
  return feed;
}
