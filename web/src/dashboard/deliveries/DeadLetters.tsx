import { useState } from 'react';
import { Link } from 'wouter';
import { messageOf } from '../api/client';
import { Empty, Loading, Problem } from '../ui/states';
import { dateTime, duration, plural } from '../ui/format';
import type { DeadLetter } from './endpoint';
import { useActions, useDeadLetters } from './queries';

// DeadLetters lists what an endpoint refused while it accepted others.
export function DeadLetters({ id }: { id: string }) {
  const query = useDeadLetters(id);
  const { redrive, dismiss } = useActions();
  const [said, setSaid] = useState('');
  if (query.isPending) return <Loading what="the dead letters" />;
  if (query.isError && !query.data) return <Problem error={query.error} onRetry={() => void query.refetch()} />;
  const letters = query.data;
  const again = async (seqs: readonly number[]) => {
    try {
      const { redriven } = await redrive(id, seqs);
      setSaid(`${plural(redriven, 'event is', 'events are')} tried again now.`);
    } catch (err) {
      setSaid(messageOf(err));
    }
  };
  const forget = async (seqs: readonly number[]) => {
    try {
      const { dismissed } = await dismiss(id, seqs);
      setSaid(`${plural(dismissed, 'event is', 'events are')} dismissed.`);
    } catch (err) {
      setSaid(messageOf(err));
    }
  };
  const status = said !== '' && (
    <p className="said-line" role="status" data-testid="redriven">
      {said}
    </p>
  );
  if (letters.length === 0) {
    return (
      <>
        {status}
        <Empty title="There are no dead letters">An event becomes one when it alone is refused, again and again, while others are accepted.</Empty>
      </>
    );
  }
  return (
    <>
      <div className="list-head">
        <p className="hint">
          These events were refused while others were accepted, so their rooms went on without them. The next delivery of the room named the gap. They are
          tried again in the background for 72 hours, marked late.
        </p>
        <button type="button" className="button small" onClick={() => void again([])} data-testid="redrive-all">
          Try all again
        </button>
        <button type="button" className="button small" onClick={() => void forget([])} data-testid="dismiss-all">
          Dismiss all
        </button>
      </div>
      {status}
      <ul className="lanes" aria-label="Dead letters">
        {letters.map((letter) => (
          <li key={letter.seq} data-testid="dead-letter" data-seq={letter.seq}>
            <strong>{letter.name}</strong>
            <span>
              {letter.room && `room ${letter.room}, `}event {letter.seq}
            </span>
            <p>
              {letter.reason}. {told(letter)}
            </p>
            <p className="try-actions">
              <Link href={`/event/${letter.seq}`} className="button small">
                What became of it
              </Link>
              <button type="button" className="button small" onClick={() => void again([letter.seq])} data-testid="redrive">
                Try again
              </button>
              <button type="button" className="button small" onClick={() => void forget([letter.seq])} data-testid="dismiss">
                Dismiss
              </button>
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}

function told(letter: DeadLetter): string {
  const given = `Given up at ${dateTime(letter.abandonedAt)} after ${plural(letter.attempts, 'attempt')}.`;
  if (!letter.next || Date.parse(letter.next) <= 0) return `${given} It is not tried again by itself.`;
  const wait = Date.parse(letter.next) - Date.now();
  return `${given} ${wait > 0 ? `The next try is in ${duration(wait + 999)}.` : 'It is due.'}`;
}
