import { useEffect, useState } from 'react';
import { reportFeed } from './health';

// usePolled has the shell say how a query does that is asked again and again, as it
// does of a feed: that what it shows is live, or may be old.
export function usePolled({ isError, isSuccess }: { isError: boolean; isSuccess: boolean }): void {
  const [id] = useState(() => Symbol('query'));
  const state = isError ? 'waiting' : isSuccess ? 'live' : 'connecting';
  useEffect(() => {
    reportFeed(id, state);
    return () => reportFeed(id, undefined);
  }, [id, state]);
}
