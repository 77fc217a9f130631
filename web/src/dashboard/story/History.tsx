import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { Link, useLocation, useSearch } from 'wouter';
import { api } from '../api/client';
import { usePolled } from '../api/usePolled';
import { SearchIcon } from '../ui/icons';
import { Empty, Loading, Problem } from '../ui/states';
import { duration, plural, time } from '../ui/format';
import { ending, hasLive, historyPath, isBehind, rows, withFresh, type HistoryPage, type HistoryQuery, type Row, type Session } from './history';

const states = [
  { value: 'all', label: 'All' },
  { value: 'open', label: 'Live' },
  { value: 'over', label: 'Over' },
] as const;

// How often pages are read again that have sessions that may be over by now.
const livePagesMs = 15_000;

// History lists the sessions of all rooms, the newest first, by day.
export function History() {
  const asked = new URLSearchParams(useSearch());
  const room = asked.get('room') ?? '';
  const [, navigate] = useLocation();
  const [text, setText] = useState('');
  const [state, setState] = useState<HistoryQuery['state']>('all');
  const [day, setDay] = useState('');
  const wanted = useDelayed(text, 200);
  const query = useInfiniteQuery({
    queryKey: ['history', room, wanted, state, day],
    queryFn: ({ pageParam, signal }) => api<HistoryPage>(historyPath({ text: wanted, room, state, day }, pageParam), { signal }),
    initialPageParam: 0,
    getNextPageParam: (page) => (page.done ? undefined : page.cursor),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => hasLive(state.data?.pages ?? []) && livePagesMs,
  });
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage, isPlaceholderData, refetch } = query;
  const fresh = useFresh({ text: wanted, room, state, day });
  const list = useMemo(() => rows(withFresh(data?.pages ?? [], fresh), new Date()), [data, fresh]);
  const behind = !isPlaceholderData && isBehind(data?.pages ?? [], fresh);
  useEffect(() => {
    if (behind) void refetch();
  }, [behind, refetch]);
  const filtered = wanted !== '' || room !== '' || state !== 'all' || day !== '';

  return (
    <>
      <div className="page-head">
        <h1>Story</h1>
        {room !== '' && (
          <span className="chip">
            room {room}
            <button type="button" className="chip-off" aria-label="Sessions of all rooms" onClick={() => navigate('/')}>
              ×
            </button>
          </span>
        )}
        <span className="page-space" />
        <div className="segments" role="group" aria-label="Which sessions">
          {states.map(({ value, label }) => (
            <button key={value} type="button" aria-pressed={state === value} onClick={() => setState(value)} data-testid={`history-${value}`}>
              {label}
            </button>
          ))}
        </div>
        <label className="day-field">
          <span>until</span>
          <input type="date" value={day} aria-label="Sessions that began on this day or before" onChange={(event) => setDay(event.target.value)} data-testid="history-day" />
        </label>
        <label className="search">
          <SearchIcon />
          <span className="visually-hidden">Search rooms and session ids</span>
          <input type="search" placeholder="Room or session id" value={text} onChange={(event) => setText(event.target.value)} data-testid="history-search" />
        </label>
      </div>
      {query.isPending && <Loading what="the sessions" />}
      {query.isError && !data && <Problem error={query.error} onRetry={() => void query.refetch()} />}
      {data && list.length === 0 && !hasNextPage && (
        <Empty title={filtered ? 'No session is like that' : 'Nothing has happened yet'}>
          {filtered
            ? 'Search for less, or for another day. What is older than the log keeps is not listed.'
            : 'A session appears here as soon as somebody joins a room, and stays for as long as the log keeps its events.'}
        </Empty>
      )}
      {data && (list.length > 0 || hasNextPage) && <Sessions list={list} more={hasNextPage} busy={isFetchingNextPage} onMore={() => void fetchNextPage()} />}
    </>
  );
}

// useFresh is the first page as it is now, read again and again: what began or ended
// since, without reading the long past again.
function useFresh(query: HistoryQuery): HistoryPage | undefined {
  const path = historyPath(query, 0);
  const fresh = useQuery({
    queryKey: ['history', 'fresh', path],
    queryFn: ({ signal }) => api<HistoryPage>(path, { signal }),
    refetchInterval: 2500,
  });
  usePolled(fresh);
  return fresh.data;
}

function useDelayed(value: string, ms: number): string {
  const [delayed, setDelayed] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setDelayed(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return delayed;
}

function Sessions({ list, more, busy, onMore }: { list: readonly Row[]; more: boolean; busy: boolean; onMore: () => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: list.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (list[index]?.kind === 'day' ? 38 : 58),
    overscan: 10,
    getItemKey: (index) => list[index]?.key ?? index,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more && !busy && last >= list.length - 20) onMore();
  }, [more, busy, last, list.length, onMore]);

  // The arrows move between sessions, also to those that are not drawn yet.
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = Number((event.target as HTMLElement).closest<HTMLElement>('[data-index]')?.dataset['index'] ?? NaN);
    if (step === undefined || Number.isNaN(at)) return;
    event.preventDefault();
    let to = at + step;
    if (list[to]?.kind === 'day') to += step;
    if (list[to] === undefined) return;
    virtual.scrollToIndex(to);
    requestAnimationFrame(() => requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-index="${to}"] a`)?.focus()));
  };

  return (
    <div className="sessions" ref={scroller} onKeyDown={onKeyDown}>
      <ol style={{ height: `${virtual.getTotalSize()}px` }} aria-label="Sessions" data-testid="sessions">
        {items.map((item) => {
          const row = list[item.index];
          if (!row) return null;
          return (
            <li key={item.key} data-index={item.index} className={row.kind === 'day' ? 'session-day' : 'session-line'} style={{ height: `${item.size}px`, transform: `translateY(${item.start}px)` }}>
              {row.kind === 'day' ? <h2>{row.label}</h2> : <Line session={row.session} />}
            </li>
          );
        })}
      </ol>
      {busy && (
        <p className="sessions-more" role="status">
          Reading earlier sessions…
        </p>
      )}
    </div>
  );
}

function Line({ session }: { session: Session }) {
  const from = Date.parse(session.startedAt);
  const to = session.endedAt ? Date.parse(session.endedAt) : Date.now();
  const why = ending(session.actor, session.reason);
  return (
    <Link href={`/${encodeURIComponent(session.sid)}`} data-testid="session" data-sid={session.sid} data-open={session.open}>
      <span className="session-when">
        {time(from)}
        <small>{session.open ? `for ${duration(to - from)}` : `${duration(to - from)}`}</small>
      </span>
      <span className="session-what">
        <strong>{session.room}</strong>
        <small className="mono">{session.sid}</small>
      </span>
      <span className="session-size">
        {plural(session.participants, 'join')}
        <small>{plural(session.events, 'event')}</small>
      </span>
      <span className="session-end">
        {session.open ? (
          <span className="tag" data-tone="good">
            <i className="dot" aria-hidden="true" /> live
          </span>
        ) : (
          why !== '' && (
            <span className="tag" data-tone={session.synthesized ? 'bad' : undefined}>
              {why}
            </span>
          )
        )}
      </span>
    </Link>
  );
}
