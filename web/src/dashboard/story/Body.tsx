import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { jsonParts } from '../../roll/json';
import { CopyButton } from '../../ui/CopyButton';
import { CopyIcon } from '../../ui/icons';
import { api } from '../api/client';
import { Loading, Problem } from '../ui/states';
import { useBearer } from '../session/useSession';

// Body is an event as the log has it: the webhook that receivers get, and the
// record around it.
export function Body({ seq }: { seq: number }) {
  const { endpoints } = useBearer();
  const query = useQuery({
    queryKey: ['event', seq],
    queryFn: ({ signal }) => api<Record<string, unknown>>(`/events/${seq}`, { signal }),
    staleTime: 60_000,
  });
  if (query.isPending) return <Loading what="the event" />;
  if (query.isError) return <Problem error={query.error} onRetry={() => void query.refetch()} />;
  const { body, ...record } = query.data;
  const json = JSON.stringify(body, null, 2);
  return (
    <div className="event-body">
      <div className="event-body-head">
        <span>
          Event {String(record['seq'])} of the log, <code>{String(record['id'])}</code>
        </span>
        <CopyButton text={JSON.stringify(query.data, null, 2)} label="Copy the record as JSON" icon={<CopyIcon />}>
          Copy
        </CopyButton>
        {endpoints && (
          <Link href={`~/dashboard/deliveries/event/${seq}`} className="button small" data-testid="to-deliveries">
            Its deliveries
          </Link>
        )}
      </div>
      <pre data-testid="event-json" tabIndex={0} aria-label="Webhook body">
        {jsonParts(json).map((part, i) => (
          <span key={i} data-json={part.kind}>
            {part.text}
          </span>
        ))}
      </pre>
    </div>
  );
}
