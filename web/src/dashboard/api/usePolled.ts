import { useEffect, useState } from 'react';
import { isRefusal } from './client';
import { reportFeed } from './health';

// usePolled has the shell say how a query does that is asked again and again, as it
// does of a feed: that what it shows is live, or may be old. A refusal is for the page
// to tell.
export function usePolled({ error, isSuccess }: { error: unknown; isSuccess: boolean }): void {
  const [id] = useState(() => Symbol('query'));
  const state = isRefusal(error) ? 'refused' : error ? 'waiting' : isSuccess ? 'live' : 'connecting';
  useEffect(() => {
    reportFeed(id, state);
    return () => reportFeed(id, undefined);
  }, [id, state]);
}
