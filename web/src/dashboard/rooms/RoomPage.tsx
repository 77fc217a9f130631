import { useCallback, useMemo, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { useFeed } from '../api/useFeed';
import { Age } from '../ui/Age';
import { BackIcon, SearchIcon } from '../ui/icons';
import { Empty, Loading, Problem } from '../ui/states';
import { sorted, Table, type Column, type Sorting } from '../ui/Table';
import { bitrate, plural } from '../ui/format';
import { ActionDialog, PersonMenu, RoomMenu, type Action } from './actions';
import { MiniLayers } from './Layers';
import { PersonPanel } from './PersonPanel';
import { Quality, Way } from './Quality';
import { clientName, mergeRoom, upBitrate, words, type Person, type RoomMessage, type RoomState } from './room';

interface RoomPageProps {
  name: string;
  // The identity of the participant who is looked at.
  who: string | undefined;
}

// RoomPage is a room as it is now: everybody in it, and one of them in full.
export function RoomPage({ name, who }: RoomPageProps) {
  const [, go] = useLocation();
  const [state, setState] = useState<RoomState>();
  const [filter, setFilter] = useState('');
  const [sorting, setSorting] = useState<Sorting>({ column: 'joined', down: false });
  const [action, setAction] = useState<Action>();

  const path = `/stats/rooms/${encodeURIComponent(name)}${who === undefined ? '' : `?${new URLSearchParams({ detail: who })}`}`;
  const feed = useFeed(path, (messages) =>
    setState((known) => mergeRoom(known, messages.map((message) => JSON.parse(message.data) as RoomMessage))),
  );

  const at = `/${encodeURIComponent(name)}`;
  const show = (person: Person | undefined) => go(person ? `${at}/${encodeURIComponent(person.info.identity)}` : at);
  const columns = useMemo(() => columnsFor(setAction), []);
  const rows = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    const matching = (state?.people ?? []).filter(({ info }) => `${info.identity}\n${info.name}\n${info.sid}`.toLowerCase().includes(wanted));
    return sorted(matching, columns, sorting);
  }, [state, filter, columns, sorting]);
  const chosen = who === undefined ? undefined : state?.people.find((person) => person.info.identity === who);
  const room = state?.room;
  const rowData = useCallback(
    (person: Person) => ({
      'data-testid': 'person-row',
      'data-identity': person.info.identity,
      'data-speaking': person.speaking,
      'data-quality': person.quality,
      'data-up': upBitrate(person),
      'data-chosen': person.info.identity === who,
    }),
    [who],
  );

  return (
    <div className="room-page" data-panel={who !== undefined}>
      <div className="room-list">
        <div className="page-head">
          <Link href="/" className="button quiet" aria-label="All rooms" title="All rooms">
            <BackIcon />
          </Link>
          <h1 title={room?.sid}>{name}</h1>
          {room && (
            <span className="sum" data-testid="room-sum" data-people={state.people.length}>
              {plural(state.people.length, 'person', 'people')}
              {room.maxParticipants > 0 && ` of ${room.maxParticipants}`} · {plural(state.subscriptions, 'track')} forwarded ·{' '}
              open for <Age since={Number(room.creationTimeMs)} />
            </span>
          )}
          {room?.activeRecording && <span className="tag" data-tone="bad">recording</span>}
          <span className="page-space" />
          {room && state.live && (
            <>
              <Link href={`~/dashboard/story/${encodeURIComponent(room.sid)}`} className="button small" data-testid="to-story">
                Story
              </Link>
              <RoomMenu room={room} onAction={setAction} />
            </>
          )}
          <label className="search">
            <SearchIcon />
            <span className="visually-hidden">Filter people</span>
            <input type="search" placeholder="Filter people" value={filter} onChange={(event) => setFilter(event.target.value)} />
          </label>
        </div>
        {room?.metadata && <p className="room-metadata" title={room.metadata}>{room.metadata}</p>}
        {!state && (feed.state === 'refused' ? <Problem error={feed.why} /> : <Loading what="the room" />)}
        {state && !state.live && (
          <Empty title="This room is not open">
            It appears here when somebody joins. What happened in it is in its{' '}
            <Link href={`~/dashboard/story?room=${encodeURIComponent(name)}`} data-testid="to-sessions">
              story
            </Link>
            .
          </Empty>
        )}
        {state?.live && (
          <Table
            label={`People in ${name}`}
            columns={columns}
            rows={rows}
            rowKey={(person) => person.sid}
            sorting={sorting}
            onSort={setSorting}
            onChoose={show}
            rowHeight={54}
            rowData={rowData}
          >
            {rows.length === 0 && <Empty title={state.people.length === 0 ? 'Nobody is here' : 'Nobody has such a name'} />}
          </Table>
        )}
      </div>
      {who !== undefined && state?.live && (
        <aside className="person-panel" aria-label={`Participant ${who}`}>
          {chosen ? (
            <PersonPanel person={chosen} people={state.people} room={name} onAction={setAction} onClose={() => show(undefined)} />
          ) : (
            <Empty title={`${who} is not here`}>
              <Link href={at}>Close</Link>
            </Empty>
          )}
        </aside>
      )}
      {action && <ActionDialog action={action} room={name} onClose={() => setAction(undefined)} />}
    </div>
  );
}

function columnsFor(onAction: (action: Action) => void): readonly Column<Person>[] {
  return [
    {
      id: 'who',
      label: 'Participant',
      width: 'minmax(6rem, 2fr)',
      sort: ({ info }) => info.name || info.identity,
      cell: (person) => (
        <>
          <span className="who-line">
            <strong>{person.info.name || person.info.identity}</strong>
            {person.speaking && <span className="voice" title="Speaking" role="img" aria-label="speaking" style={{ '--level': person.level } as React.CSSProperties} />}
            {person.info.kind !== 'STANDARD' && <span className="tag">{words(person.info.kind)}</span>}
            {person.info.permission.hidden && <span className="tag">hidden</span>}
            {person.info.state !== 'ACTIVE' && <span className="tag" data-tone="warn">{words(person.info.state)}</span>}
            {!person.signal && <span className="tag" data-tone="warn">no signal</span>}
          </span>
          <small>{person.info.name ? person.info.identity : person.sid}</small>
        </>
      ),
    },
    { id: 'quality', label: 'Quality', width: '5.6rem', sort: (person) => person.score, cell: (person) => <Quality quality={person.quality} score={person.score} /> },
    {
      id: 'way',
      label: 'Connection',
      width: 'minmax(7rem, 1fr)',
      wide: true,
      sort: (person) => person.receives.protocol + person.receives.candidate,
      cell: (person) => (
        <>
          <Way person={person} />
          <small>{clientName(person.client)}</small>
        </>
      ),
    },
    {
      id: 'tracks',
      label: 'Sends',
      width: 'minmax(6rem, 1.2fr)',
      wide: true,
      sort: (person) => person.tracks.length,
      cell: (person) => <MiniLayers person={person} />,
    },
    { id: 'up', label: 'Bit rate', width: '6.2rem', numeric: true, sort: upBitrate, cell: (person) => (upBitrate(person) === 0 ? <span className="none">–</span> : bitrate(upBitrate(person))) },
    {
      id: 'joined',
      label: 'Here for',
      width: '6.4rem',
      numeric: true,
      wide: true,
      sort: (person) => Number(person.info.joinedAtMs),
      cell: (person) => <Age since={Number(person.info.joinedAtMs)} />,
    },
    { id: 'menu', label: 'Actions', labelHidden: true, width: '2.25rem', cell: (person) => <PersonMenu person={person} onAction={onAction} /> },
  ];
}
