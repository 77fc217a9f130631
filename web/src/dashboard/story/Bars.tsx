import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type MouseEvent } from 'react';
import { duration, time } from '../ui/format';
import type { Job } from './job';
import { JobRow, jobHeight } from './JobRow';
import { box, boxes, move, place, tickLabel, ticks, zoom, type Box, type View } from './scale';
import type { Lane, Person, Stay, Story } from './story';

interface BarsProps {
  story: Story;
  version: number;
  now: number;
  // The time that the slider is at.
  at: number | undefined;
  onTime: (at: number) => void;
  // Whose events alone are listed; empty: everybody's.
  identity: string;
  onIdentity: (identity: string) => void;
}

const labelWidth = 152;
const stayHeight = 14;
const laneHeight = 7;

// Bars draws what was recorded and sent in, who was there and what was published,
// each a line. Only those lines are drawn that can be seen.
export function Bars({ story, version, now, at, onTime, identity, onIdentity }: BarsProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const full = useWidth(scroller);
  const narrow = full < 560;
  const width = Math.max(full - (narrow ? 16 : labelWidth + 12), 60);
  const end = story.end(now);
  const whole: View = { from: story.from ?? end - 1000, to: Math.max(end, (story.from ?? end) + 1000) };
  // Undefined: all of it, also as it grows.
  const [part, setPart] = useState<View>();
  const view = part ?? whole;
  const { people } = story;
  const jobs = story.jobs.list;
  const rows = jobs.length + people.length;
  const heightOf = (person: Person | undefined) => (person ? 12 + stayHeight + person.lanes.length * (laneHeight + 2) + (narrow ? 20 : 0) : 30);
  const virtual = useVirtualizer({
    count: rows,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (index < jobs.length ? jobHeight : Math.max(heightOf(people[index - jobs.length]), 34)),
    overscan: 6,
    getItemKey: (index) => jobs[index]?.key ?? `person ${people[index - jobs.length]?.identity}`,
  });
  const lanes = people.reduce((sum, person) => sum + person.lanes.length, 0);
  useLayoutEffect(() => virtual.measure(), [virtual, lanes, jobs.length, narrow]);

  const change = (next: View) => setPart(next.from <= whole.from && next.to >= whole.to ? undefined : next);
  const timeAt = (event: { clientX: number }) => {
    const area = scroller.current?.getBoundingClientRect();
    if (!area) return whole.from;
    const x = event.clientX - area.left - (narrow ? 8 : labelWidth);
    return view.from + (Math.min(Math.max(x, 0), width) / width) * (view.to - view.from);
  };

  // A wheel with Ctrl, which is also a pinch, zooms. React listens passively.
  const wheel = useRef((_: WheelEvent) => {});
  wheel.current = (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    change(zoom(view, whole, event.deltaY < 0 ? 1.25 : 0.8, timeAt(event)));
  };
  useEffect(() => {
    const element = scroller.current;
    const listener = (event: WheelEvent) => wheel.current(event);
    element?.addEventListener('wheel', listener, { passive: false });
    return () => element?.removeEventListener('wheel', listener);
  }, []);

  // The arrows move between lines, also to those that are not drawn yet.
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const at = Number((event.target as HTMLElement).closest<HTMLElement>('[data-index]')?.dataset['index'] ?? NaN);
    if (Number.isNaN(at)) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const index = Math.max(0, Math.min(rows - 1, to));
    virtual.scrollToIndex(index);
    requestAnimationFrame(() => requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"] :is(a, button)`)?.focus()));
  };

  const marks = ticks(view, width);
  const left = narrow ? 8 : labelWidth;
  return (
    <section className="panel bars" aria-label="People and tracks over time">
      <header className="panel-head">
        <h2>People and tracks</h2>
        <Legend jobs={jobs} />
        <div className="segments" role="group" aria-label="Part of the time">
          <button type="button" aria-label="Earlier" disabled={!part} onClick={() => change(move(view, whole, -0.5))}>
            ‹
          </button>
          <button type="button" aria-label="Zoom out" disabled={!part} onClick={() => change(zoom(view, whole, 0.5))}>
            −
          </button>
          <button type="button" disabled={!part} onClick={() => setPart(undefined)}>
            All
          </button>
          <button type="button" aria-label="Zoom in" onClick={() => change(zoom(view, whole, 2, at))}>
            +
          </button>
          <button type="button" aria-label="Later" disabled={!part} onClick={() => change(move(view, whole, 0.5))}>
            ›
          </button>
        </div>
      </header>
      <div className="bars-scroller" ref={scroller} onKeyDown={onKeyDown} data-narrow={narrow} data-testid="bars" data-version={version}>
        <div className="bars-axis" aria-hidden="true">
          {marks.map((mark) => (
            <span key={mark} style={{ left: `${left + place(mark, view, width)}px` }}>
              {tickLabel(mark, view, width)}
            </span>
          ))}
        </div>
        <div className="bars-body" style={{ height: `${virtual.getTotalSize()}px` }} onClick={(event: MouseEvent) => (event.target as HTMLElement).closest('a, button') === null && onTime(timeAt(event))}>
          <div className="bars-grid" aria-hidden="true">
            {marks.map((mark) => (
              <i key={mark} style={{ left: `${left + place(mark, view, width)}px` }} />
            ))}
            {at !== undefined && at >= view.from && at <= view.to && <i className="bars-now" style={{ left: `${left + place(at, view, width)}px` }} />}
          </div>
          <ul aria-label={jobs.length > 0 ? 'Recordings, ingress and people' : 'People'}>
            {virtual.getVirtualItems().map((item) => {
              const line = {
                className: 'bars-row',
                'data-index': item.index,
                'data-band': item.index % 2 === 1,
                'aria-setsize': rows,
                'aria-posinset': item.index + 1,
                style: { height: `${item.size}px`, transform: `translateY(${item.start}px)` },
              };
              const job = jobs[item.index];
              if (job) return <JobRow key={item.key} line={line} job={job} view={view} width={width} end={end} />;
              const person = people[item.index - jobs.length];
              if (!person) return null;
              return (
                <li key={item.key} {...line} data-testid="bars-row" data-identity={person.identity}>
                  <button type="button" className="bars-who" aria-pressed={identity === person.identity} title="List this person's events alone" onClick={() => onIdentity(identity === person.identity ? '' : person.identity)}>
                    {person.name || person.identity}
                    <span className="visually-hidden">: {inWords(person, end)}</span>
                  </button>
                  <PersonBars person={person} view={view} width={width} end={end} version={version} />
                </li>
              );
            })}
          </ul>
        </div>
      </div>
    </section>
  );
}

// inWords tells a line of the picture to who does not see it.
function inWords(person: Person, end: number): string {
  const stays = person.stays.map((stay) => {
    const from = stay.joined ?? stay.connecting;
    const span = `${from === undefined ? '' : time(from)} to ${stay.left === undefined ? 'now' : time(stay.left)}`;
    const parts = [stay.aborted ? `never got in, ${span}` : span];
    if (stay.gaps.length > 0) parts.push(`${stay.gaps.length} connection gaps`);
    if (stay.reason !== '') parts.push(`left: ${stay.reason.replaceAll('_', ' ')}`);
    return parts.join(', ');
  });
  const spoke = person.speech.reduce((sum, { from, to }) => sum + (to ?? end) - from, 0);
  if (spoke > 0) stays.push(`spoke ${duration(spoke)}`);
  if (person.lanes.length > 0) stays.push(`published ${person.lanes.map((lane) => lane.label).join(', ')}`);
  return stays.join('; ');
}

interface PersonBarsProps {
  person: Person;
  view: View;
  width: number;
  end: number;
  version: number; // the person changes in place
}

const PersonBars = memo(function PersonBars({ person, view, width, end }: PersonBarsProps) {
  const height = stayHeight + person.lanes.length * (laneHeight + 2);
  return (
    <svg className="bars-svg" width={width} height={height} aria-hidden="true" focusable="false">
      {person.stays.map((stay) => (
        <StayBars key={stay.sid} stay={stay} view={view} width={width} end={end} />
      ))}
      <path className="speech" d={path(boxes(person.speech, end, view, width), 3, stayHeight - 6)} />
      {person.lanes.map((lane, i) => (
        <LaneBars key={lane.key} lane={lane} y={stayHeight + 2 + i * (laneHeight + 2)} view={view} width={width} end={end} />
      ))}
    </svg>
  );
});

function path(list: readonly Box[], y: number, height: number): string {
  return list.map(({ x, width }) => `M${x.toFixed(1)} ${y}h${width.toFixed(1)}v${height}h${(-width).toFixed(1)}z`).join('');
}

interface Drawn {
  view: View;
  width: number;
  end: number;
}

function StayBars({ stay, view, width, end }: Drawn & { stay: Stay }) {
  const to = stay.left ?? end;
  const joined = stay.joined === undefined ? undefined : box(stay.joined, to, view, width, 3);
  const coming = stay.connecting === undefined ? undefined : box(stay.connecting, stay.joined ?? to, view, width, 2);
  const label = stay.aborted ? 'never got in' : `${stay.joined === undefined ? '' : time(stay.joined)} – ${stay.left === undefined ? 'now' : time(stay.left)}`;
  return (
    <g>
      <title>{`${label}${stay.reason ? `, ${stay.reason.replaceAll('_', ' ')}` : ''}`}</title>
      {coming && <rect className={stay.aborted ? 'aborted' : 'connecting'} x={coming.x} y={4} width={coming.width} height={stayHeight - 8} rx={2} />}
      {joined && <rect className="stay" data-open={stay.left === undefined} x={joined.x} width={joined.width} y={0} height={stayHeight} rx={3} />}
      {stay.quality.map((judged, i) => {
        if (judged.level !== 'poor' && judged.level !== 'lost') return null;
        const bad = box(judged.from, judged.to ?? to, view, width);
        return bad && <rect key={i} className="judged" data-level={judged.level} x={bad.x} width={bad.width} y={stayHeight - 3} height={3} />;
      })}
      {stay.gaps.map((gap, i) => {
        const lost = box(gap.from, gap.to ?? to, view, width, 3);
        return lost && <rect key={i} className="lost" data-resumed={gap.resumed} x={lost.x} width={lost.width} y={0} height={stayHeight} rx={2} />;
      })}
    </g>
  );
}

function LaneBars({ lane, y, view, width, end }: Drawn & { lane: Lane; y: number }) {
  return (
    <g className="lane" data-kind={lane.kind}>
      <title>{lane.label}</title>
      {lane.tracks.map((track) => {
        const drawn = box(track.from, track.to ?? end, view, width, 3);
        if (!drawn) return null;
        return (
          <g key={track.sid}>
            <rect className="track" x={drawn.x} width={drawn.width} y={y} height={laneHeight} rx={2} />
            <path className="muted" d={path(boxes(track.muted, track.to ?? end, view, width), y + 1, laneHeight - 2)} />
          </g>
        );
      })}
    </g>
  );
}

const legend = [
  { key: 'stay', label: 'in the room' },
  { key: 'speech', label: 'speaking' },
  { key: 'lost', label: 'no connection' },
  { key: 'audio', label: 'sound' },
  { key: 'video', label: 'video' },
  { key: 'screen', label: 'screen' },
  { key: 'muted', label: 'muted' },
] as const;
const jobLegend = [
  { key: 'recording', label: 'recorded' },
  { key: 'ingress', label: 'sent in' },
] as const;

function Legend({ jobs }: { jobs: readonly Job[] }) {
  return (
    <ul className="legend" aria-label="Colours">
      {[...legend, ...jobLegend.filter(({ key }) => jobs.some((job) => job.kind === key))].map(({ key, label }) => (
        <li key={key}>
          <i data-mark={key} aria-hidden="true" />
          {label}
        </li>
      ))}
    </ul>
  );
}

function useWidth(element: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(900);
  useLayoutEffect(() => {
    if (!element.current) return;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(entry.contentRect.width));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return width;
}
