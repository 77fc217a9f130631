import { useState } from 'react';
import { messageOf } from '../api/client';
import { Dialog } from '../ui/Dialog';
import { Empty, Loading, Problem } from '../ui/states';
import { count, dateTime, plural } from '../ui/format';
import type { Recovery } from './endpoint';
import { localTime, recoverOf } from './form';
import { useActions, useRecoveries } from './queries';

// RecoverDialog begins to send a part of the log again.
export function RecoverDialog({ id, onDone, onClose }: { id: string; onDone: () => void; onClose: () => void }) {
  const { recover } = useActions();
  const [from, setFrom] = useState<'time' | 'seq'>('time');
  return (
    <Dialog title="Recover the endpoint" action="Send again" onSubmit={(form) => recover(id, recoverOf(form)).then(onDone)} onClose={onClose}>
      <p>What the log holds for this endpoint is sent once more, in order and beside what is new, with the same ids: a receiver that keeps ids takes nothing twice.</p>
      <fieldset className="from">
        <legend className="visually-hidden">From where on</legend>
        <label className="check">
          <input type="radio" name="from" value="time" checked={from === 'time'} onChange={() => setFrom('time')} />
          From a time
        </label>
        <label className="check">
          <input type="radio" name="from" value="seq" checked={from === 'seq'} onChange={() => setFrom('seq')} data-testid="recover-from-seq" />
          From an event
        </label>
      </fieldset>
      {from === 'time' ? (
        <div className="field">
          <label htmlFor="recover-since">Since</label>
          <input id="recover-since" name="since" type="datetime-local" required defaultValue={localTime(new Date(Date.now() - 3_600_000))} data-testid="recover-since" />
        </div>
      ) : (
        <div className="field">
          <label htmlFor="recover-seq">Number of the first event</label>
          <input id="recover-seq" name="seq" inputMode="numeric" required data-testid="recover-seq" />
        </div>
      )}
      <div className="field">
        <label htmlFor="recover-rate">Requests a second, at most</label>
        <input id="recover-rate" name="rate" inputMode="decimal" placeholder="100" />
      </div>
    </Dialog>
  );
}

const tones = { running: 'warn', done: 'good', cancelled: undefined, failed: 'bad' } as const;

// Recoveries lists what was sent again, and what is being sent.
export function Recoveries({ id, onRecover }: { id: string; onRecover: () => void }) {
  const query = useRecoveries(id);
  if (query.isPending) return <Loading what="the recoveries" />;
  if (query.isError && !query.data) return <Problem error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data.length === 0) {
    return (
      <Empty title="Nothing was recovered yet">
        If the receiver lost what it had accepted, have it sent again from a time or an event on.{' '}
        <button type="button" className="button link" onClick={onRecover}>
          Recover…
        </button>
      </Empty>
    );
  }
  return (
    <ul className="lanes" aria-label="Recoveries">
      {query.data.map((recovery) => (
        <One key={recovery.id} recovery={recovery} />
      ))}
    </ul>
  );
}

function One({ recovery }: { recovery: Recovery }) {
  const { cancel } = useActions();
  const [refused, setRefused] = useState('');
  const { request, position } = recovery;
  const through = request.through ?? position;
  const from = request.since && Date.parse(request.since) > 0 ? `since ${dateTime(request.since)}` : `after event ${request.after}`;
  return (
    <li data-testid="recovery" data-state={recovery.state}>
      <strong>
        <span className="tag" data-tone={tones[recovery.state]}>
          {recovery.state}
        </span>{' '}
        {from}
      </strong>
      <span>{plural(recovery.sent, 'event was sent', 'events were sent')}</span>
      <p>
        Begun {dateTime(recovery.started)}. It has come to event {count(position)} of {count(through)}; {count(recovery.skipped)} were not for it
        {recovery.failures > 0 && `, ${plural(recovery.failures, 'attempt')} failed`}.{recovery.lastError && ` ${recovery.lastError}`}
      </p>
      {recovery.state === 'running' && (
        <>
          <progress value={Math.max(position - request.after, 0)} max={Math.max(through - request.after, 1)} aria-label="How far it has come" />
          <button type="button" className="button small" onClick={() => void cancel(recovery.id).catch((err: unknown) => setRefused(messageOf(err)))}>
            Stop
          </button>
          {refused !== '' && <p role="alert">{refused}</p>}
        </>
      )}
    </li>
  );
}
