import { Link } from 'wouter';
import { usePolled } from '../api/usePolled';
import { BackIcon } from '../ui/icons';
import { Empty, Loading, Problem } from '../ui/states';
import { dateTime, duration } from '../ui/format';
import { useBearer } from '../session/useSession';
import { AttemptList, Redeliver } from './Attempts';
import { WhyBox } from './Endpoints';
import { fateOf, type Verdict } from './endpoint';
import { useEndpoints, useWhy } from './queries';

// Why says of one event what became of it, at each endpoint.
export function Why({ event }: { event: string }) {
  const query = useWhy(event);
  usePolled(query);
  const { events } = useBearer();
  const known = useEndpoints().data;
  const record = query.data?.event;
  return (
    <>
      <div className="page-head">
        <Link href="/" className="button quiet" aria-label="All endpoints" title="All endpoints">
          <BackIcon />
        </Link>
        <h1>What became of it</h1>
        <span className="page-space" />
        <WhyBox />
      </div>
      {query.isPending && <Loading what="the event" />}
      {query.isError && !query.data && <Problem error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && record && (
        <div className="why" data-testid="why" data-seq={record.seq}>
          <div className="why-event">
            <h2>{record.name}</h2>
            <p>
              {[record.identity, record.room && `room ${record.room}`].filter(Boolean).join(' in ')}
              {record.reason !== '' && `, ${record.reason.replaceAll('_', ' ')}`}
              <br />
              {dateTime(record.time)}, event {record.seq} of the log
            </p>
            <p>
              <code className="value">{record.id}</code>
              {events && record.roomSid !== '' && (
                <Link href={`~/dashboard/story/${encodeURIComponent(record.roomSid)}?seq=${record.seq}`} className="button small" data-testid="to-story">
                  Its place in the story
                </Link>
              )}
            </p>
          </div>
          {query.data.endpoints.length === 0 && (
            <Empty title="There is no endpoint">
              Nobody is told of events. <Link href="/">Add an endpoint</Link>, and then recover it from this event on.
            </Empty>
          )}
          <ul className="verdicts" aria-label="Endpoints">
            {query.data.endpoints.map((verdict) => (
              <Said key={verdict.endpoint} verdict={verdict} name={known?.find(({ id }) => id === verdict.endpoint)?.description ?? ''} seq={record.seq} />
            ))}
          </ul>
        </div>
      )}
    </>
  );
}

function Said({ verdict, name, seq }: { verdict: Verdict; name: string; seq: number }) {
  const { tone, label } = fateOf(verdict);
  const wait = verdict.next ? Date.parse(verdict.next) - Date.now() : undefined;
  return (
    <li className="verdict" data-testid="verdict" data-endpoint={verdict.endpoint} data-fate={verdict.fate}>
      <p className="verdict-head">
        <span className="tag" data-tone={tone}>
          {label}
        </span>
        <Link href={`/${encodeURIComponent(verdict.endpoint)}`}>{name || verdict.url}</Link>
        {name !== '' && <span className="endpoint-url">{verdict.url}</span>}
      </p>
      <p data-testid="because">
        {verdict.because}
        {verdict.behind !== undefined && (
          <>
            {' '}
            <Link href={`/event/${verdict.behind}`}>Look at event {verdict.behind}</Link>
          </>
        )}
      </p>
      {wait !== undefined && <p className="hint" data-testid="next-attempt">{wait > 0 ? `The next attempt is in ${duration(wait + 999)}.` : 'The next attempt is about to be made.'}</p>}
      {verdict.attempts.length > 0 && <AttemptList attempts={[...verdict.attempts].reverse()} />}
      <p className="try-actions">
        <Redeliver id={verdict.endpoint} seq={seq} />
      </p>
    </li>
  );
}
