import { useDeferredValue, useMemo, useState } from 'react';
import { useLocation } from 'wouter';
import { useFeed } from '../api/useFeed';
import { useBearer } from '../session/useSession';
import { Age } from '../ui/Age';
import { SearchIcon } from '../ui/icons';
import { Empty, Loading, Problem } from '../ui/states';
import { compareText, sorted, Table, type Column, type Sorting } from '../ui/Table';
import { bitrate, count, plural } from '../ui/format';
import { mergeLines, type Lines, type RoomLine, type RoomsMessage } from './figures';

const rate = (bps: number) => (bps === 0 ? <span className="none">–</span> : bitrate(bps));
const figure = (n: number) => (n === 0 ? <span className="none">–</span> : count(n));

const columns: readonly Column<RoomLine>[] = [
  {
    id: 'name',
    label: 'Room',
    width: 'minmax(8rem, 2.2fr)',
    sort: (room) => room.name,
    cell: (room) => (
      <>
        <strong>{room.name}</strong>
        {room.recording && <span className="tag" data-tone="bad">recording</span>}
        {room.poor > 0 && <span className="tag" data-tone="warn">{plural(room.poor, 'poor connection')}</span>}
      </>
    ),
  },
  { id: 'participants', label: 'People', width: '4.2rem', numeric: true, sort: (room) => room.participants, cell: (room) => figure(room.participants) },
  { id: 'publishers', label: 'Publish', width: '4.2rem', numeric: true, wide: true, sort: (room) => room.publishers, cell: (room) => figure(room.publishers) },
  { id: 'speakers', label: 'Speak', width: '4rem', numeric: true, wide: true, sort: (room) => room.speakers, cell: (room) => figure(room.speakers) },
  { id: 'tracks', label: 'Tracks', width: '4rem', numeric: true, wide: true, sort: (room) => room.tracks, cell: (room) => figure(room.tracks) },
  { id: 'subscriptions', label: 'Forwarded', width: '5rem', numeric: true, wide: true, sort: (room) => room.subscriptions, cell: (room) => figure(room.subscriptions) },
  { id: 'in', label: 'In', width: '6.4rem', numeric: true, sort: (room) => room.bitrateIn, cell: (room) => rate(room.bitrateIn) },
  { id: 'out', label: 'Out', width: '6.4rem', numeric: true, wide: true, sort: (room) => room.bitrateOut, cell: (room) => rate(room.bitrateOut) },
  {
    id: 'age',
    label: 'Open for',
    width: '7rem',
    numeric: true,
    wide: true,
    sort: (room) => -Date.parse(room.createdAt),
    cell: (room) => <Age since={Date.parse(room.createdAt)} />,
  },
];

const rowData = (room: RoomLine) => ({ 'data-testid': 'room-row', 'data-room': room.name, 'data-participants': room.participants, 'data-in': room.bitrateIn });

// RoomList is every room that is open, as it is now.
export function RoomList() {
  const bearer = useBearer();
  const [, go] = useLocation();
  const [lines, setLines] = useState<Lines>();
  const [filter, setFilter] = useState('');
  const [sorting, setSorting] = useState<Sorting>({ column: 'participants', down: true });
  const feed = useFeed('/stats/rooms', (messages) =>
    setLines((known) => mergeLines(known ?? new Map(), messages.map((message) => JSON.parse(message.data) as RoomsMessage))),
  );

  const wanted = useDeferredValue(filter.trim().toLowerCase());
  const rows = useMemo(() => {
    const matching = [...(lines?.values() ?? [])].filter((room) => room.name.toLowerCase().includes(wanted) || room.sid.toLowerCase() === wanted);
    // Among equals by name, so that rows do not jump about.
    matching.sort((a, b) => compareText(a.name, b.name));
    return sorted(matching, columns, sorting);
  }, [lines, wanted, sorting]);
  const totals = useMemo(() => {
    let people = 0;
    for (const line of lines?.values() ?? []) people += line.participants;
    return people;
  }, [lines]);

  return (
    <>
      <div className="page-head">
        <h1>Rooms</h1>
        {lines && (
          <span className="sum" data-testid="rooms-sum" data-rooms={lines.size} data-people={totals}>
            {plural(lines.size, 'room')} · {plural(totals, 'person', 'people')}
          </span>
        )}
        <span className="page-space" />
        <label className="search">
          <SearchIcon />
          <span className="visually-hidden">Filter rooms</span>
          <input type="search" placeholder="Filter" value={filter} onChange={(event) => setFilter(event.target.value)} data-testid="rooms-filter" />
        </label>
      </div>
      {!lines && (feed.state === 'refused' ? <Problem error={feed.why} /> : <Loading what="the rooms" />)}
      {lines && (
        <Table
          label="Rooms"
          columns={columns}
          rows={rows}
          rowKey={(room) => room.sid}
          sorting={sorting}
          onSort={setSorting}
          onChoose={(room) => go(`/${encodeURIComponent(room.name)}`)}
          rowData={rowData}
        >
          {rows.length === 0 &&
            (lines.size === 0 ? (
              <Empty title="No room is open">
                {bearer.room === '' ? 'A room appears here as soon as somebody joins one.' : `The token is for the room ${bearer.room}, which is not open.`}
              </Empty>
            ) : (
              <Empty title="No room has such a name" />
            ))}
        </Table>
      )}
    </>
  );
}
