import { memo, useId, useState } from 'react';
import { Json } from '../ui/Json';
import type { Entry } from './ledger';
import { clock, describe, effect, type Effect } from './record';

// RollRow is one record. It opens on the webhook that receivers get for it.
export const RollRow = memo(function RollRow({ entry, seenElsewhere }: { entry: Entry; seenElsewhere: boolean }) {
  const { record, live } = entry;
  const [open, setOpen] = useState(false);
  // Until it has been seen to be new: a hidden panel's rows announce themselves when it is shown.
  const [fresh, setFresh] = useState(live && !seenElsewhere);
  const id = useId();
  const kind = effect(record.name);
  const { who, what } = describe(record);
  return (
    <li
      className="record"
      data-testid="event-row"
      data-event={record.name}
      data-seq={record.seq}
      data-room-seq={record.roomSeq}
      data-identity={record.identity}
      data-effect={kind}
      data-fresh={fresh}
      data-band={record.roomSeq % 2 === 0}
      data-synthesized={record.synthesized}
    >
      <button type="button" className="line" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)} onAnimationEnd={() => setFresh(false)}>
        <span className="seq" title={`Record ${record.seq} of the log, ${record.roomSeq} of the session`}>
          {record.seq}
        </span>
        <span className="entry">
          <Mark kind={kind} />
          <span className="event">{record.name}</span>
        </span>
        <time dateTime={record.time} title={record.time}>
          {clock(record.time)}
        </time>
        <span className="who">
          <span className="who-name">{who}</span>
          {what && <span className="what">{what}</span>}
          {record.synthesized && (
            <span className="stamp" title="The server concluded this when it started again; it did not see it happen.">
              synthesized
            </span>
          )}
        </span>
      </button>
      {open && <Json id={id} title="Webhook body" value={record.body} testid="event-body" />}
    </li>
  );
});

const marks: Record<Effect, string> = {
  opens: 'M3 8h9M8.5 4.5L12 8l-3.5 3.5',
  closes: 'M13 8H4M7.5 4.5L4 8l3.5 3.5',
  fails: 'M4 4l8 8M12 4l-8 8',
  changes: 'M4 6h8M4 10h8',
};

// Mark is in, out, failed or changed, at a glance.
export function Mark({ kind }: { kind: Effect }) {
  return (
    <svg className="mark" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path d={marks[kind]} fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}
