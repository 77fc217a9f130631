import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { effect, type Effect } from '../../roll/record';
import { SearchIcon } from '../ui/icons';
import { Empty } from '../ui/states';
import { count } from '../ui/format';
import { Body } from './Body';
import type { StoryEvent } from './event';
import { kinds, matches, nearest, type Kind } from './filter';
import type { Story } from './story';

interface TimelineProps {
  story: Story;
  version: number;
  // The event that the slider is at; follow says that it is the newest, whichever
  // that is.
  seq: number;
  follow: boolean;
  onSeq: (seq: number) => void;
  identity: string;
  onIdentity: (identity: string) => void;
}

// Timeline lists the events of the session.
export function Timeline({ story, version, seq, follow, onSeq, identity, onIdentity }: TimelineProps) {
  const [chosen, setChosen] = useState<ReadonlySet<Kind>>(new Set());
  const [text, setText] = useState('');
  const [open, setOpen] = useState<number>();
  const scroller = useRef<HTMLDivElement>(null);
  const shown = useMemo(
    () => matches(story.events, { kinds: chosen, text, identity }),
    // The events are the same array, which grows: version tells.
    [story, version, chosen, text, identity],
  );
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 40,
    overscan: 12,
    getItemKey: (index) => shown[index]?.seq ?? index,
  });

  // The list goes with the slider, and with what happens while it is at the end.
  const moved = useRef(false);
  useEffect(() => {
    const index = nearest(shown, seq);
    if (index < 0 || moved.current) {
      moved.current = false; // it was moved by the list itself
      return;
    }
    virtual.scrollToIndex(index, { align: follow ? 'end' : 'center' });
  }, [seq, shown.length, follow]);

  const toggle = (kind: Kind) => {
    const next = new Set(chosen);
    if (!next.delete(kind)) next.add(kind);
    setChosen(next);
  };
  const choose = (event: StoryEvent) => {
    moved.current = event.seq !== seq;
    onSeq(event.seq);
    setOpen(open === event.seq ? undefined : event.seq);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const line = (event.target as HTMLElement).closest<HTMLElement>('button.event-line');
    const at = Number(line?.closest<HTMLElement>('[data-index]')?.dataset['index'] ?? NaN);
    if (Number.isNaN(at)) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const index = Math.max(0, Math.min(shown.length - 1, to));
    virtual.scrollToIndex(index);
    requestAnimationFrame(() => requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"] button.event-line`)?.focus()));
  };

  const start = story.from ?? 0;
  return (
    <section className="panel timeline" aria-label="Events">
      <header className="panel-head">
        <h2>Events</h2>
        <span className="sum" data-testid="event-count" data-count={shown.length}>
          {shown.length === story.events.length ? count(shown.length) : `${count(shown.length)} of ${count(story.events.length)}`}
        </span>
        <span className="page-space" />
        <label className="search">
          <SearchIcon />
          <span className="visually-hidden">Search the events</span>
          <input type="search" placeholder="Search" value={text} onChange={(event) => setText(event.target.value)} data-testid="event-search" />
        </label>
        <div className="kinds" role="group" aria-label="Kinds of events">
          {kinds.map(({ kind, label }) => (
            <button key={kind} type="button" className="kind" aria-pressed={chosen.has(kind)} onClick={() => toggle(kind)} data-testid={`kind-${kind}`}>
              {label}
            </button>
          ))}
          {identity !== '' && (
            <button type="button" className="kind" aria-pressed="true" aria-label={`Events of all, not of ${identity} alone`} onClick={() => onIdentity('')}>
              {identity} ×
            </button>
          )}
        </div>
      </header>
      <div className="events" ref={scroller} onKeyDown={onKeyDown}>
        {shown.length === 0 && story.events.length > 0 && <Empty title="No event is like that">Take back a filter to see more.</Empty>}
        <ol style={{ height: `${virtual.getTotalSize()}px` }} aria-label="Events" data-testid="events">
          {virtual.getVirtualItems().map((item) => {
            const event = shown[item.index];
            if (!event) return null;
            return (
              <li
                key={item.key}
                ref={virtual.measureElement}
                data-index={item.index}
                data-testid="story-event"
                data-event={event.name}
                data-seq={event.seq}
                data-identity={event.identity}
                data-effect={effect(event.name)}
                data-current={event.seq === seq}
                aria-setsize={shown.length}
                aria-posinset={item.index + 1}
                style={{ transform: `translateY(${item.start}px)` }}
              >
                <Line event={event} start={start} open={open === event.seq} onChoose={() => choose(event)} />
                {open === event.seq && <Body seq={event.seq} />}
              </li>
            );
          })}
        </ol>
      </div>
    </section>
  );
}

const marks: Record<Effect, string> = {
  opens: 'M3 8h9M8.5 4.5L12 8l-3.5 3.5',
  closes: 'M13 8H4M7.5 4.5L4 8l3.5 3.5',
  fails: 'M4 4l8 8M12 4l-8 8',
  changes: 'M4 6h8M4 10h8',
};

function Line({ event, start, open, onChoose }: { event: StoryEvent; start: number; open: boolean; onChoose: () => void }) {
  const at = new Date(event.at);
  return (
    <button type="button" className="event-line" aria-expanded={open} onClick={onChoose}>
      <span className="event-seq" title={`Event ${event.seq} of the log, ${event.roomSeq} of the session`}>
        {event.roomSeq}
      </span>
      <time dateTime={at.toISOString()} title={at.toISOString()}>
        {at.toLocaleTimeString(undefined, { hour12: false })}
        <small>{offset(event.at - start)}</small>
      </time>
      <svg className="mark" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <path d={marks[effect(event.name)]} fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" strokeLinejoin="round" />
      </svg>
      <span className="event-name">{event.name}</span>
      <span className="event-who">{event.who}</span>
      <span className="event-what">
        {[event.what, event.what.toLowerCase() === event.reason.replaceAll('_', ' ') ? '' : event.reason.replaceAll('_', ' ')].filter(Boolean).join(', ')}
        {event.synthesized && (
          <span className="tag" data-tone="bad" title="The server concluded this when it started again; it did not see it happen.">
            concluded
          </span>
        )}
      </span>
    </button>
  );
}

// offset is how long after the start, as 1:02:03.4 or 02:03.4.
function offset(ms: number): string {
  const s = Math.max(0, ms) / 1000;
  const pad = (n: number) => String(Math.floor(n)).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  return `+${hours > 0 ? `${hours}:` : ''}${pad((s / 60) % 60)}:${pad(s % 60)}.${Math.floor((s * 10) % 10)}`;
}
