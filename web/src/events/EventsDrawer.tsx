import { memo, useId, useMemo, useState, type ReactNode } from 'react';
import type { Room } from 'livekit-client';
import { clock, describe, effect, type RollRecord } from '../roll/record';
import { Mark } from '../roll/RollRow';
import type { Roll } from '../roll/useRoll';
import { CloseIcon, DownIcon } from '../ui/icons';
import { Json } from '../ui/Json';
import { Tabs } from '../ui/Tabs';
import { useFollowEnd } from '../ui/useFollowEnd';
import { clientEvents, type Place } from './catalogue';
import { Checklist } from './Checklist';
import { seenCount, type ClientEntry, type ClientLog } from './log';
import { ScopeMarks } from './ScopeMarks';
import { clockSkew, everything, timeline, type Filter, type Moment } from './timeline';

// How many of the newest moments are shown, and how many more each asking adds.
const step = 200;

interface EventsDrawerProps {
  log: ClientLog;
  roll: Roll;
  place: Place;
  room: Room | undefined;
  onClose?: () => void;
}

type Page = 'sides' | 'list';

// EventsDrawer is an account book: on its left page what the SDK told this page,
// on its right what the server's log holds, line by line at the same time.
export function EventsDrawer({ log, roll, place, room, onClose }: EventsDrawerProps) {
  const [page, setPage] = useState<Page>('sides');
  const [filter, setFilter] = useState<Filter>(everything);
  const id = useId();
  const seen = seenCount(log);
  return (
    <>
      <header className="drawer-head">
        <h2>Events</h2>
        <Tabs
          className="tabs tabs-drawer"
          label="Pages of the drawer"
          selected={page}
          onSelect={setPage}
          tabs={[
            { id: 'sides', label: 'Side by side', controls: `${id}p`, testid: 'tab-sides' },
            { id: 'list', label: `${seen} of ${clientEvents.length} seen`, controls: `${id}p`, testid: 'tab-checklist' },
          ]}
        />
        {page === 'sides' && <Filters filter={filter} onChange={setFilter} />}
        {onClose && (
          <button type="button" className="button quiet drawer-close" aria-label="Close the events" data-testid="close-events" onClick={onClose}>
            <CloseIcon />
          </button>
        )}
      </header>
      <div className="drawer-page" id={`${id}p`} data-testid="events-seen" data-seen={seen}>
        {page === 'sides' ? <Sides log={log} roll={roll} filter={filter} /> : <Checklist log={log} place={place} room={room} />}
      </div>
    </>
  );
}

function Filters({ filter, onChange }: { filter: Filter; onChange: (filter: Filter) => void }) {
  const toggle = (key: 'server' | 'room' | 'participant', label: string) => (
    <button
      type="button"
      className="filter"
      aria-pressed={filter[key]}
      data-testid={`filter-${key}`}
      onClick={() => onChange({ ...filter, [key]: !filter[key] })}
    >
      {label}
    </button>
  );
  return (
    <div className="filters" role="group" aria-label="What is shown">
      {toggle('room', 'Room')}
      {toggle('participant', 'Participant')}
      {toggle('server', 'Server')}
      <input
        type="search"
        placeholder="Filter by event or name"
        aria-label="Filter by event or name"
        data-testid="filter-text"
        value={filter.text}
        onChange={(event) => onChange({ ...filter, text: event.target.value })}
      />
    </div>
  );
}

function Sides({ log, roll, filter }: { log: ClientLog; roll: Roll; filter: Filter }) {
  const skew = clockSkew(roll.delay);
  const records = useMemo(() => roll.ledger.entries.map((entry) => entry.record), [roll.ledger]);
  const moments = useMemo(() => timeline(log.entries, records, filter, skew), [log.entries, records, filter, skew]);
  const [shown, setShown] = useState(step);
  const { scroller, onScroll, unseen, toEnd, stay } = useFollowEnd(log.total + records.length);
  const hidden = Math.max(0, moments.length - shown);
  return (
    <>
      <div className="sides-head" aria-hidden="true">
        <span>This page’s SDK</span>
        <span>Time</span>
        <span>The server’s log</span>
      </div>
      <div className="sides" ref={scroller} onScroll={onScroll} tabIndex={0} role="region" aria-label="Client and server events">
        {hidden > 0 && (
          <button
            type="button"
            className="button link sides-earlier"
            onClick={() => {
              stay();
              setShown(shown + step);
            }}
          >
            Show earlier events
          </button>
        )}
        {skew !== 0 && (
          <p className="sides-note">
            The server’s clock is {Math.abs(skew / 1000).toFixed(1)} s {skew < 0 ? 'ahead of' : 'behind'} this machine’s. Its events are moved to match.
          </p>
        )}
        <ol>
          {moments.slice(hidden).map((moment) => (
            <MomentLine key={moment.key} moment={moment} />
          ))}
        </ol>
        {moments.length === 0 && (
          <p className="sides-note">
            {log.total + records.length === 0 ? 'Nothing yet. Join a room: what the SDK tells comes on the left, what the log holds on the right.' : 'Nothing passes the filter.'}
          </p>
        )}
      </div>
      {unseen > 0 && (
        <button type="button" className="button primary small to-end" onClick={toEnd}>
          <DownIcon />
          {unseen === 1 ? '1 new event' : `${unseen} new events`}
        </button>
      )}
    </>
  );
}

function MomentLine({ moment }: { moment: Moment }) {
  const at = new Date(moment.time).toISOString();
  return (
    <li className="moment" data-testid="moment" data-client={moment.client.length} data-server={moment.server.length}>
      <time dateTime={at}>{clock(at)}</time>
      <ul className="moment-client" aria-label="Client">
        {moment.client.map((entry) => (
          <ClientLine key={entry.n} entry={entry} />
        ))}
      </ul>
      <ul className="moment-server" aria-label="Server">
        {moment.server.map((record) => (
          <ServerLine key={record.seq} record={record} />
        ))}
      </ul>
    </li>
  );
}

const ClientLine = memo(function ClientLine({ entry }: { entry: ClientEntry }) {
  const scopes = clientEvents.find(({ name }) => name === entry.name)?.scopes ?? [];
  return (
    <li data-testid="client-event" data-event={entry.name} data-identity={entry.identity} data-scopes={entry.scopes.join(' ')}>
      <Line name={entry.name} who={entry.who} what={entry.what} mark={<ScopeMarks of={scopes} seen={entry.scopes} />} title="What the listener was handed" body={entry.body} testid="client-event-body" />
    </li>
  );
});

const ServerLine = memo(function ServerLine({ record }: { record: RollRecord }) {
  const { who, what } = describe(record);
  const kind = effect(record.name);
  return (
    <li data-testid="server-event" data-event={record.name} data-seq={record.seq} data-identity={record.identity} data-effect={kind}>
      <Line name={record.name} who={who} what={what} mark={<Mark kind={kind} />} number={record.roomSeq} title="Webhook body" body={record.body} testid="server-event-body" />
    </li>
  );
});

interface LineProps {
  name: string;
  who: string;
  what: string;
  mark: ReactNode;
  number?: number;
  title: string;
  body: unknown;
  testid: string;
}

function Line({ name, who, what, mark, number, title, body, testid }: LineProps) {
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <>
      <button type="button" className="told" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
        {mark}
        <span className="told-name">{name}</span>
        <span className="told-who">
          {who} {what && <span className="what">{what}</span>}
        </span>
        {number ? <span className="told-number">{number}</span> : null}
      </button>
      {open && <Json id={id} title={title} value={body} testid={testid} />}
    </>
  );
}
