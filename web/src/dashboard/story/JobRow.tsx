import type { LiHTMLAttributes } from 'react';
import { Link } from 'wouter';
import { duration, time } from '../ui/format';
import type { Job } from './job';
import { box, type View } from './scale';

// How high a line is, and its bar in it, in pixels.
export const jobHeight = 44;
const barHeight = 12;

interface JobRowProps {
  // What the list says of each of its lines.
  line: LiHTMLAttributes<HTMLLIElement>;
  job: Job; // it changes in place
  view: View;
  width: number;
  end: number;
}

const pages: Record<Job['kind'], { label: string; path: (id: string) => string }> = {
  recording: { label: 'recording', path: (id) => `~/dashboard/recordings/${encodeURIComponent(id)}` },
  ingress: { label: 'ingress', path: () => '~/dashboard/ingress' },
};

// JobRow is the line of a recording or of an encoder. Its name leads to its page.
export function JobRow({ line, job, view, width, end }: JobRowProps) {
  const drawn = box(job.from, job.to ?? end, view, width, 3);
  const { label, path } = pages[job.kind];
  const state = job.state === label ? `${label} now` : `${label}, ${job.state}`;
  const said = `${job.what}: ${state}; ${detailOf(job, end)}`;
  // Before its end is told it may be in the state of the end already.
  const open = job.to === undefined;
  return (
    <li {...line} data-testid="bars-job" data-kind={job.kind} data-id={job.id} data-state={job.state} data-open={open}>
      <Link href={path(job.id)} className="bars-who bars-job">
        <span title={said}>{job.what}</span>
        <small data-tone={job.tone}>{state}</small>
        <span className="visually-hidden">: {detailOf(job, end)}</span>
      </Link>
      <svg className="bars-svg" width={width} height={barHeight} aria-hidden="true" focusable="false">
        {drawn && (
          <g className="job" data-kind={job.kind} data-tone={job.tone}>
            <title>{said}</title>
            <path d={bar(drawn.x, drawn.width, open)} />
          </g>
        )}
      </svg>
    </li>
  );
}

// bar is a rectangle; one that goes on ends in a point.
function bar(x: number, width: number, open: boolean): string {
  const point = open ? Math.min(6, width / 2) : 0;
  const straight = (width - point).toFixed(1);
  return `M${x.toFixed(1)} 0h${straight}l${point} ${barHeight / 2}l${-point} ${barHeight / 2}h-${straight}z`;
}

// detailOf is when, where to or from, and why it ended so.
function detailOf(job: Job, end: number): string {
  const when = `${time(job.from)} to ${job.to === undefined ? 'now' : time(job.to)}, ${duration((job.to ?? end) - job.from)}`;
  return [when, ...job.outputs, job.why].filter(Boolean).join('; ');
}
