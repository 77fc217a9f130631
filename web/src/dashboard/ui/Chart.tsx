import { useId, useState, type PointerEvent, type ReactNode } from 'react';
import { time } from './format';

export interface Line {
  label: string;
  // Oldest first; at in milliseconds.
  points: readonly { at: number; value: number }[];
  // Its colour: 1 is the page's own, 2 a second one.
  tone: 1 | 2;
}

interface ChartProps {
  title: string;
  // What it is now, in words.
  now: ReactNode;
  lines: readonly Line[];
  // The ends of the time axis, in milliseconds.
  from: number;
  to: number;
  // The top of the value axis; it begins at 0.
  top: number;
  format: (value: number) => string;
  testid?: string;
}

const width = 320;
const height = 84;

// Chart is values over time, as an area for the first line and a line for the
// others. A pointer or the arrows show the values of a moment; a screen reader gets
// the present ones, in the caption.
export function Chart({ title, now, lines, from, to, top, format, testid }: ChartProps) {
  const [at, setAt] = useState<number>();
  const titleId = useId();
  const x = (ms: number) => (width * (ms - from)) / (to - from);
  const y = (value: number) => height - (height * Math.min(value, top)) / top;
  const move = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    setAt(from + ((event.clientX - box.left) / box.width) * (to - from));
  };
  const seen = at === undefined ? undefined : lines.map((line) => nearest(line.points, at));
  const moment = seen?.find((point) => point !== undefined)?.at;
  return (
    <figure className="chart" aria-labelledby={titleId} data-testid={testid}>
      <figcaption>
        <span id={titleId}>{title}</span>
        <strong>{moment === undefined ? now : lines.map((_, i) => (seen?.[i] ? format(seen[i].value) : '–')).join(' · ')}</strong>
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-labelledby={titleId} onPointerMove={move} onPointerLeave={() => setAt(undefined)}>
        {[0.25, 0.5, 0.75].map((part) => (
          <line key={part} className="grid" x1="0" x2={width} y1={height * part} y2={height * part} />
        ))}
        {lines.map((line, i) => (
          <g key={line.label} data-tone={line.tone}>
            {i === 0 && line.points.length > 1 && <path className="area" d={`${path(line, x, y)}L${x(line.points.at(-1)?.at ?? to)} ${height}L${x(line.points[0]?.at ?? from)} ${height}Z`} />}
            <path className="line" d={path(line, x, y)} />
          </g>
        ))}
        {moment !== undefined && <line className="cross" x1={x(moment)} x2={x(moment)} y1="0" y2={height} />}
      </svg>
      <div className="axis" aria-hidden="true">
        {moment === undefined ? (
          lines.length > 1 ? (
            lines.map((line) => (
              <span key={line.label} className="key" data-tone={line.tone}>
                {line.label}
              </span>
            ))
          ) : (
            <span>{Math.round((to - from) / 60_000)} min</span>
          )
        ) : (
          <span>{time(moment)}</span>
        )}
        <span>{format(top)} high</span>
      </div>
    </figure>
  );
}

function path(line: Line, x: (ms: number) => number, y: (value: number) => number): string {
  return line.points.map((point, i) => `${i === 0 ? 'M' : 'L'}${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`).join('');
}

function nearest(points: Line['points'], at: number) {
  let best: Line['points'][number] | undefined;
  for (const point of points) {
    if (!best || Math.abs(point.at - at) < Math.abs(best.at - at)) best = point;
  }
  return best;
}
