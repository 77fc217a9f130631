import { useMemo, useState } from 'react';
import { useLocation } from 'wouter';
import { usePolled } from '../api/usePolled';
import { Age } from '../ui/Age';
import { bytes, duration, plural } from '../ui/format';
import { SearchIcon } from '../ui/icons';
import { Empty, Loading, Problem } from '../ui/states';
import { sorted, Table, type Column, type Sorting } from '../ui/Table';
import { useRecordings } from './queries';
import { lengthOf, millis, placeOf, sizeOf, stateOf, whatOf, type Recording } from './recording';

const none = <span className="none">–</span>;

const columns: readonly Column<Recording>[] = [
  {
    id: 'what',
    label: 'Recording',
    width: 'minmax(8rem, 2fr)',
    sort: (recording) => `${recording.room_name} ${whatOf(recording)}`,
    cell: (recording) => (
      <>
        <strong>{whatOf(recording)}</strong>
        <small>{recording.room_name || recording.egress_id}</small>
      </>
    ),
  },
  {
    id: 'state',
    label: 'State',
    width: '8rem',
    sort: (recording) => stateOf(recording).label,
    cell: (recording) => {
      const { label, tone } = stateOf(recording);
      return (
        <span className="tag" data-tone={tone} title={recording.error || recording.details}>
          {label}
        </span>
      );
    },
  },
  { id: 'started', label: 'Began', width: '7rem', numeric: true, sort: (recording) => -millis(recording.started_at), cell: (recording) => <><Age since={millis(recording.started_at)} /> ago</> },
  { id: 'length', label: 'Length', width: '7rem', numeric: true, wide: true, sort: lengthOf, cell: (recording) => (lengthOf(recording) === 0 ? none : duration(lengthOf(recording))) },
  { id: 'size', label: 'Size', width: '6rem', numeric: true, wide: true, sort: sizeOf, cell: (recording) => (sizeOf(recording) === 0 ? none : bytes(sizeOf(recording))) },
  { id: 'where', label: 'Where', width: 'minmax(7rem, 1fr)', wide: true, sort: placeOf, cell: (recording) => placeOf(recording) || none },
];

const rowData = (recording: Recording) => ({ 'data-testid': 'recording-row', 'data-id': recording.egress_id, 'data-status': recording.status });

// RecordingList is every recording that runs, and those of the last day.
export function RecordingList() {
  const query = useRecordings();
  usePolled(query);
  const [, go] = useLocation();
  const [filter, setFilter] = useState('');
  const [sorting, setSorting] = useState<Sorting>({ column: 'started', down: true });
  const recordings = query.data;
  const rows = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    const matching = (recordings ?? []).filter((one) => `${one.room_name}\n${whatOf(one)}\n${one.egress_id}\n${one.room_id}`.toLowerCase().includes(wanted));
    return sorted(matching, columns, sorting);
  }, [recordings, filter, sorting]);
  const live = recordings?.filter((one) => stateOf(one).live).length ?? 0;

  return (
    <>
      <div className="page-head">
        <h1>Recordings</h1>
        {recordings && (
          <span className="sum" role="status" data-testid="recordings-sum" data-live={live}>
            {live === 0 ? 'nothing is recorded now' : `${plural(live, 'recording')} now`}
            {recordings.length > live && `, ${recordings.length - live} in the last day`}
          </span>
        )}
        <span className="page-space" />
        <label className="search">
          <SearchIcon />
          <span className="visually-hidden">Filter recordings</span>
          <input type="search" placeholder="Filter" value={filter} onChange={(event) => setFilter(event.target.value)} />
        </label>
      </div>
      {query.isPending && <Loading what="the recordings" />}
      {query.isError && !recordings && <Problem error={query.error} onRetry={() => void query.refetch()} />}
      {recordings && (
        <Table
          label="Recordings"
          columns={columns}
          rows={rows}
          rowKey={(one) => one.egress_id}
          sorting={sorting}
          onSort={setSorting}
          onChoose={(one) => go(`/${encodeURIComponent(one.egress_id)}`)}
          rowHeight={54}
          rowData={rowData}
        >
          {rows.length === 0 &&
            (recordings.length === 0 ? (
              <Empty title="Nothing was recorded in the last day">
                Begin a recording in a room, by “Act” there or in a participant’s menu, or by the API: <code className="value">rollcall egress start</code>.
              </Empty>
            ) : (
              <Empty title="No recording has such a name" />
            ))}
        </Table>
      )}
    </>
  );
}
