import { Link } from 'wouter';
import { Empty, Loading, Problem } from '../ui/states';
import { dateTime, duration, plural } from '../ui/format';
import type { Lane } from './endpoint';
import { useLanes } from './queries';

// Lanes lists what waits for an endpoint, and behind what.
export function Lanes({ id }: { id: string }) {
  const query = useLanes(id);
  if (query.isPending) return <Loading what="what waits" />;
  if (query.isError && !query.data) return <Problem error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data.length === 0) return <Empty title="Nothing waits">Every event for this endpoint is accepted, or among its dead letters.</Empty>;
  return (
    <ul className="lanes" aria-label="What waits">
      {query.data.map((lane) => (
        <li key={`${lane.room ?? ''} ${lane.head ?? 0}`} data-testid="lane" data-room={lane.room ?? ''}>
          <strong>{lane.room ?? 'events of no single room'}</strong>
          <span>{plural(lane.waiting, 'event waits', 'events wait')}</span>
          <p>{told(lane)}</p>
          {lane.head !== undefined && (
            <Link href={`/event/${lane.head}`} className="button small">
              Event {lane.head}
            </Link>
          )}
        </li>
      ))}
    </ul>
  );
}

function told(lane: Lane): string {
  const parts: string[] = [];
  if (lane.headTime) parts.push(`The first is of ${dateTime(lane.headTime)}.`);
  if (lane.attempts > 0) parts.push(`It was tried ${lane.attempts === 1 ? 'once' : `${lane.attempts} times`}${lane.reason ? `: ${lane.reason}` : ''}.`);
  if (lane.sending) parts.push('It is being sent.');
  else if (lane.next) {
    const wait = Date.parse(lane.next) - Date.now();
    parts.push(wait > 0 ? `It is due in ${duration(wait + 999)}.` : 'It is due.');
  }
  return parts.join(' ');
}
