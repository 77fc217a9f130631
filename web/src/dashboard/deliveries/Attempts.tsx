import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef, useState } from 'react';
import { Link } from 'wouter';
import { messageOf } from '../api/client';
import { Empty, Loading, Problem } from '../ui/states';
import { latency, plural, time } from '../ui/format';
import { byEvent, outcome, type Attempt, type Tried } from './endpoint';
import { shownAttempts, useActions, useAttempts, useRecord } from './queries';

// Attempts lists what was tried at an endpoint, by event, the newest first.
export function Attempts({ id }: { id: string }) {
  const query = useAttempts(id);
  const tried = useMemo(() => byEvent(query.data ?? []), [query.data]);
  const [failed, setFailed] = useState(false);
  const shown = failed ? tried.filter(({ attempts }) => !attempts[0]?.delivered) : tried;
  const [open, setOpen] = useState('');
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 52,
    overscan: 8,
    getItemKey: (index) => keyOf(shown[index]) ?? index,
  });
  if (query.isPending) return <Loading what="the attempts" />;
  if (query.isError && !query.data) return <Problem error={query.error} onRetry={() => void query.refetch()} />;
  if (tried.length === 0) {
    return <Empty title="Nothing was sent yet">Attempts appear here as soon as there is an event for this endpoint. “Test” sends it a sample.</Empty>;
  }
  return (
    <>
      <div className="list-head">
        <label className="check">
          <input type="checkbox" checked={failed} onChange={(event) => setFailed(event.target.checked)} data-testid="failed-only" />
          Only what is not accepted
        </label>
        <span className="hint">
          {plural(shown.length, 'event')}
          {(query.data?.length ?? 0) >= shownAttempts && `, of the last ${shownAttempts} attempts`}
        </span>
      </div>
      <div className="tries" ref={scroller}>
        {shown.length === 0 && <Empty title="All of them were accepted" />}
        <ol style={{ height: `${virtual.getTotalSize()}px` }} aria-label="Events that were tried">
          {virtual.getVirtualItems().map((item) => {
            const one = shown[item.index];
            const key = keyOf(one);
            if (!one || key === undefined) return null;
            return (
              <li key={item.key} ref={virtual.measureElement} data-index={item.index} style={{ transform: `translateY(${item.start}px)` }} data-testid="tried" data-seq={one.seq} data-delivered={one.attempts[0]?.delivered}>
                <One id={id} tried={one} open={open === key} onOpen={() => setOpen(open === key ? '' : key)} />
              </li>
            );
          })}
        </ol>
      </div>
    </>
  );
}

function keyOf(tried: Tried | undefined): string | undefined {
  return tried && `${tried.first ?? tried.seq}-${tried.seq}`;
}

function One({ id, tried, open, onOpen }: { id: string; tried: Tried; open: boolean; onOpen: () => void }) {
  const [latest] = tried.attempts;
  const record = useRecord(tried.seq);
  if (!latest) return null;
  const sample = tried.seq === 0;
  return (
    <>
      <button type="button" className="try" aria-expanded={open} onClick={onOpen}>
        <span className="tag" data-tone={latest.delivered ? 'good' : 'bad'}>
          {outcome(latest)}
        </span>
        <span className="try-event">
          <strong>{sample ? 'test' : (record?.name ?? `event ${tried.seq}`)}</strong>
          <small>{sample ? 'a sample that somebody asked for' : `${tried.first === undefined ? tried.seq : `${tried.first} to ${tried.seq}`}${record ? `, ${record.identity || record.room}` : ''}`}</small>
        </span>
        <span className="try-count">{tried.attempts.length > 1 ? plural(tried.attempts.length, 'attempt') : latest.number > 1 ? `attempt ${latest.number}` : ''}</span>
        <span className="try-time">
          <time dateTime={latest.at}>{time(latest.at)}</time>
          <small>{latency(latest.latencyMs)}</small>
        </span>
      </button>
      {open && (
        <div className="try-more">
          <AttemptList attempts={tried.attempts} />
          {!sample && (
            <p className="try-actions">
              <Link href={`/event/${tried.seq}`} className="button small">
                What became of it
              </Link>
              <Redeliver id={id} seq={tried.seq} />
            </p>
          )}
        </div>
      )}
    </>
  );
}

// AttemptList is attempts with what the receiver said.
export function AttemptList({ attempts }: { attempts: readonly Attempt[] }) {
  return (
    <ol className="attempts" aria-label="Attempts">
      {attempts.map((attempt, i) => (
        <li key={`${attempt.at} ${i}`} data-testid="attempt" data-status={attempt.status ?? 0}>
          <span className="tag" data-tone={attempt.delivered ? 'good' : 'bad'}>
            {outcome(attempt)}
          </span>
          <span>
            attempt {attempt.number} at <time dateTime={attempt.at}>{time(attempt.at)}</time>, {latency(attempt.latencyMs)}
            {attempt.requested && ', asked for'}
            {attempt.late && ', late'}
            {attempt.first !== undefined && `, events ${attempt.first} to ${attempt.seq} together`}
          </span>
          {attempt.status !== undefined && attempt.error && <span className="attempt-error">{attempt.error}</span>}
          {attempt.response && <pre tabIndex={0}>{attempt.response}</pre>}
        </li>
      ))}
    </ol>
  );
}

// Redeliver sends one event once more, and says how that went.
export function Redeliver({ id, seq }: { id: string; seq: number }) {
  const { redeliver } = useActions();
  const [said, setSaid] = useState<{ tone: 'good' | 'bad'; text: string }>();
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    try {
      const attempt = await redeliver(id, seq);
      setSaid({ tone: attempt.delivered ? 'good' : 'bad', text: attempt.delivered ? `Accepted: ${outcome(attempt)}` : `Refused: ${outcome(attempt)}` });
    } catch (err) {
      setSaid({ tone: 'bad', text: messageOf(err) });
    }
    setBusy(false);
  };
  return (
    <>
      <button type="button" className="button small" disabled={busy} onClick={() => void send()} data-testid="redeliver">
        Redeliver
      </button>
      {said && (
        <span className="tag said" data-tone={said.tone} role="status" data-testid="redelivered">
          {said.text}
        </span>
      )}
    </>
  );
}
