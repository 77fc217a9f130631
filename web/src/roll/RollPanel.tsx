import { useMemo } from 'react';
import { DownIcon } from '../ui/icons';
import { useFollowEnd } from '../ui/useFollowEnd';
import { rows, type Row } from './ledger';
import { day } from './record';
import { RollRow } from './RollRow';
import type { StreamState } from './stream';
import type { Roll, RollSource } from './useRoll';

const stateText: Record<StreamState, string> = {
  off: 'closed',
  connecting: 'opening',
  live: 'live',
  waiting: 'reconnecting',
};

// RollPanel is the room's log as a ledger: newest at the bottom, where a clerk
// would write the next line. seenElsewhere: records that come now are shown
// elsewhere on the page, and are not new any more when they are shown here.
export function RollPanel({ roll, source, seenElsewhere }: { roll: Roll; source: RollSource | undefined; seenElsewhere: boolean }) {
  const { ledger, state, dispatch } = roll;
  const layout = useMemo(() => rows(ledger), [ledger]);
  const total = ledger.entries.length + ledger.dropped;
  const { scroller, onScroll, unseen, toEnd, stay } = useFollowEnd(total);

  return (
    <>
      <header className="roll-head">
        <h2>The roll</h2>
        {source && state !== 'off' && (
          <span className="roll-count" data-testid="roll-count" data-count={total}>
            {total === 1 ? '1 record' : `${total} records`}
          </span>
        )}
        <span className="bar-space" />
        {source && (
          <span className="chip small" role="status" data-testid="roll-state" data-state={state}>
            <i aria-hidden="true" />
            {stateText[state]}
          </span>
        )}
      </header>
      <div className="columns" aria-hidden="true">
        <span>No.</span>
        <span>Entry</span>
        <span>Time</span>
      </div>
      <div className="sheet" ref={scroller} onScroll={onScroll} tabIndex={0} role="region" aria-label="Records">
        {(layout.hidden > 0 || ledger.dropped > 0) && (
          <Earlier hidden={layout.hidden} dropped={ledger.dropped} onShow={() => {
            stay();
            dispatch({ type: 'showEarlier' });
          }} />
        )}
        <ol data-testid="roll">
          {layout.rows.map((row) => (
            <Line key={row.key} row={row} seenElsewhere={seenElsewhere} />
          ))}
        </ol>
        {layout.rows.length === 0 && <Blank source={source} state={state} />}
      </div>
      {unseen > 0 && (
        <button type="button" className="button primary small to-end" onClick={toEnd}>
          <DownIcon />
          {unseen === 1 ? '1 new record' : `${unseen} new records`}
        </button>
      )}
    </>
  );
}

function Line({ row, seenElsewhere }: { row: Row; seenElsewhere: boolean }) {
  switch (row.kind) {
    case 'record':
      return <RollRow entry={row.entry} seenElsewhere={seenElsewhere} />;
    case 'session':
      return (
        <li className="session">
          <span>Session {row.sid}</span>
          <time dateTime={row.time}>{day(row.time)}</time>
        </li>
      );
    case 'gap':
      return (
        <li className="gap" data-testid="event-gap">
          {row.from === row.to ? `Record ${row.from} of the session is` : `Records ${row.from} to ${row.to} of the session are`} not here
        </li>
      );
  }
}

function Earlier({ hidden, dropped, onShow }: { hidden: number; dropped: number; onShow: () => void }) {
  return (
    <div className="earlier">
      {hidden > 0 ? (
        <button type="button" className="button link" data-testid="show-earlier" onClick={onShow}>
          Show earlier records ({hidden})
        </button>
      ) : (
        <span>{dropped} earlier records are in the log, not on this page</span>
      )}
    </div>
  );
}

function Blank({ source, state }: { source: RollSource | undefined; state: StreamState }) {
  if (!source) {
    return (
      <p className="blank">
        Nothing written yet. Join a room, and the server’s log of it is read here as it is written: the same records, in the same
        order, that your backend gets as webhooks.
      </p>
    );
  }
  if (state === 'off') {
    return <p className="blank">This page has no events token for the room, so its roll stays closed.</p>;
  }
  if (state === 'waiting') return <p className="blank">The roll cannot be read at the moment. Trying again…</p>;
  return <p className="blank">{state === 'live' ? 'No records yet.' : 'Opening the roll…'}</p>;
}
