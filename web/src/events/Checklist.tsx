import { useState } from 'react';
import type { Room } from 'livekit-client';
import { CopyButton } from '../ui/CopyButton';
import { CheckIcon, CopyIcon } from '../ui/icons';
import { clientEvents, type ClientEvent, type ClientEventName, type Place } from './catalogue';
import { seen, type ClientLog } from './log';
import { ScopeMarks } from './ScopeMarks';
import { canTry, runTrial, trialText } from './trials';

interface ChecklistProps {
  log: ClientLog;
  place: Place;
  // The room that one is in, for trials.
  room: Room | undefined;
}

// Checklist is the table of the 23 client events: those that were told are
// ticked off, the others say how to see them.
export function Checklist({ log, place, room }: ChecklistProps) {
  return (
    <div className="checklist" tabIndex={0} role="region" aria-label="The 23 client events">
      <ul>
        {clientEvents.map((event) => (
          <Item key={event.name} event={event} told={log.seen[event.name]} state={seen(log, event)} place={place} room={room} />
        ))}
      </ul>
    </div>
  );
}

interface ItemProps {
  event: ClientEvent;
  told: ClientLog['seen'][ClientEventName];
  state: ReturnType<typeof seen>;
  place: Place;
  room: Room | undefined;
}

function Item({ event, told, state, place, room }: ItemProps) {
  const command = event.command?.(place);
  return (
    <li className="check" data-testid="check" data-event={event.name} data-seen={state === 'yes' ? 'true' : state === 'partly' ? 'partly' : 'false'}>
      <span className="check-mark" role="img" aria-label={state === 'yes' ? 'seen' : state === 'partly' ? 'seen in part' : 'not seen yet'}>
        {state === 'yes' && <CheckIcon />}
      </span>
      <div className="check-text">
        <p className="check-head">
          <strong>{event.name}</strong>
          <ScopeMarks of={event.scopes} seen={told?.scopes ?? []} />
          {told && <span className="check-count">×{told.count}</span>}
        </p>
        <p className="check-when">{event.when}</p>
        {state !== 'yes' && (
          <>
            <p className="check-hint">{event.hint}</p>
            {command && (
              <p className="check-command">
                <code>{command}</code>
                <CopyButton text={command} label="Copy the command" icon={<CopyIcon />} />
              </p>
            )}
            {event.trial && room && canTry(event.trial, room) && <Try trial={event.trial} room={room} />}
          </>
        )}
      </div>
    </li>
  );
}

function Try({ trial, room }: { trial: NonNullable<ClientEvent['trial']>; room: Room }) {
  const [state, setState] = useState<'ready' | 'running' | 'failed'>('ready');
  const run = async () => {
    setState('running');
    try {
      await runTrial(trial, room);
      setState('ready');
    } catch {
      setState('failed');
    }
  };
  return (
    <button type="button" className="button small" data-testid="try" data-trial={trial} disabled={state === 'running'} onClick={() => void run()}>
      {state === 'failed' ? `${trialText[trial]} (did not work)` : trialText[trial]}
    </button>
  );
}
