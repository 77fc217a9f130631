// View is the part of the time that is drawn, in milliseconds since 1970.
export interface View {
  from: number;
  to: number;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const steps = [
  second, 2 * second, 5 * second, 10 * second, 15 * second, 30 * second,
  minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute,
  hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, 24 * hour, 48 * hour,
];

// The shortest time that can be drawn.
export const shortest = 5 * second;

// ticks are the round times to mark in a view of that width in pixels, at least
// apart pixels from one another.
export function ticks(view: View, width: number, apart = 90): number[] {
  const least = ((view.to - view.from) * apart) / Math.max(width, 1);
  const step = steps.find((ms) => ms >= least) ?? Math.ceil(least / (24 * hour)) * 24 * hour;
  // Round in local time, which is what the labels say.
  const offset = new Date(view.from).getTimezoneOffset() * minute;
  const marks: number[] = [];
  for (let at = Math.ceil((view.from - offset) / step) * step + offset; at <= view.to; at += step) marks.push(at);
  return marks;
}

// tickLabel is a time of day, with seconds only where ticks are closer than a minute.
export function tickLabel(at: number, view: View, width: number): string {
  const fine = ((view.to - view.from) * 90) / Math.max(width, 1) < minute;
  return new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', ...(fine && { second: '2-digit' as const }), hour12: false });
}

// place is where in a width a time lies; outside of the view it is outside of it.
export function place(at: number, view: View, width: number): number {
  return ((at - view.from) / (view.to - view.from)) * width;
}

// Box is where a span is drawn.
export interface Box {
  x: number;
  width: number;
}

// box is where a span is drawn in the view, at least least pixels wide, or
// undefined for one outside of it.
export function box(from: number, to: number, view: View, width: number, least = 1.5): Box | undefined {
  if (to < view.from || from > view.to) return undefined;
  const x = Math.max(place(from, view, width), -2);
  const end = Math.min(place(to, view, width), width + 2);
  return { x, width: Math.max(end - x, least) };
}

// boxes are where spans are drawn that come in the order of their beginnings. Those
// that touch on the screen are one: however many there are, no more boxes come of
// them than there are pixels.
export function boxes(spans: readonly { from: number; to: number | undefined }[], end: number, view: View, width: number, least = 1.5): Box[] {
  const out: Box[] = [];
  for (const span of spans) {
    const next = box(span.from, span.to ?? end, view, width, least);
    if (!next) continue;
    const last = out.at(-1);
    if (last && next.x <= last.x + last.width + 0.5) last.width = Math.max(last.width, next.x + next.width - last.x);
    else out.push(next);
  }
  return out;
}

// zoom scales a view around a time, within the whole.
export function zoom(view: View, whole: View, by: number, around = (view.from + view.to) / 2): View {
  const length = Math.min(Math.max((view.to - view.from) / by, shortest), whole.to - whole.from);
  const share = (around - view.from) / (view.to - view.from);
  return within({ from: around - share * length, to: around + (1 - share) * length }, whole);
}

// move shifts a view by a share of its length, within the whole.
export function move(view: View, whole: View, by: number): View {
  const shift = (view.to - view.from) * by;
  return within({ from: view.from + shift, to: view.to + shift }, whole);
}

function within(view: View, whole: View): View {
  const length = view.to - view.from;
  if (length >= whole.to - whole.from) return whole;
  if (view.from < whole.from) return { from: whole.from, to: whole.from + length };
  if (view.to > whole.to) return { from: whole.to - length, to: whole.to };
  return view;
}
