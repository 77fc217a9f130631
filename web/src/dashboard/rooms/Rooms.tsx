import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { roomService } from '../api/client';
import { SearchIcon } from '../ui/icons';
import { Empty, Loading, Problem } from '../ui/states';
import { sorted, Table, type Column, type Sorting } from '../ui/Table';
import { duration, plural } from '../ui/format';

interface Room {
  sid: string;
  name: string;
  creation_time_ms: string;
  num_participants: number;
  num_publishers: number;
}

const columns: readonly Column<Room>[] = [
  { id: 'name', label: 'Room', width: 'minmax(8rem, 2fr)', sort: (room) => room.name, cell: (room) => <strong>{room.name}</strong> },
  { id: 'participants', label: 'People', width: '4.5rem', numeric: true, sort: (room) => room.num_participants, cell: (room) => room.num_participants },
  { id: 'publishers', label: 'Publish', width: '4.5rem', numeric: true, sort: (room) => room.num_publishers, cell: (room) => room.num_publishers },
  { id: 'age', label: 'Open for', width: '7rem', numeric: true, wide: true, sort: (room) => -Number(room.creation_time_ms), cell: (room) => duration(Date.now() - Number(room.creation_time_ms)) },
];

export default function Rooms() {
  const [filter, setFilter] = useState('');
  const [sorting, setSorting] = useState<Sorting>({ column: 'name', down: false });
  const query = useQuery({
    queryKey: ['rooms'],
    queryFn: ({ signal }) => roomService<{ rooms: Room[] }>('ListRooms', {}, signal),
    refetchInterval: 2000,
  });
  const rooms = query.data?.rooms;
  const rows = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    return sorted((rooms ?? []).filter((room) => room.name.toLowerCase().includes(wanted)), columns, sorting);
  }, [rooms, filter, sorting]);

  return (
    <>
      <div className="page-head">
        <h1>Rooms</h1>
        {rooms && <span className="sum">{plural(rooms.length, 'room')}</span>}
        <span className="page-space" />
        <label className="search">
          <SearchIcon />
          <span className="visually-hidden">Filter rooms</span>
          <input type="search" placeholder="Filter" value={filter} onChange={(event) => setFilter(event.target.value)} />
        </label>
      </div>
      {query.isPending && <Loading what="the rooms" />}
      {query.isError && <Problem error={query.error} onRetry={() => void query.refetch()} />}
      {rooms && (
        <Table label="Rooms" columns={columns} rows={rows} rowKey={(room) => room.sid} sorting={sorting} onSort={setSorting}>
          {rows.length === 0 && <Empty title={rooms.length === 0 ? 'Nobody is here' : 'No room has such a name'}>A room appears here as soon as somebody joins.</Empty>}
        </Table>
      )}
    </>
  );
}
