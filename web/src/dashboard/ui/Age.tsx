import { dateTime, duration } from './format';
import { useNow } from './useNow';

// Age is how long ago something was, in milliseconds since 1970, and goes on.
export function Age({ since }: { since: number }) {
  const now = useNow(1000);
  return (
    <time dateTime={new Date(since).toISOString()} title={dateTime(since)}>
      {duration(now - since)}
    </time>
  );
}
