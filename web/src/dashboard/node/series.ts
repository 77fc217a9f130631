// What GET /stats/node sends; see docs/openapi.yaml.

export interface Flow {
  tracks: number;
  packets: number;
  bytes: number;
  lost: number;
  nacks: number;
  resent: number;
  plis: number;
}

export interface NodeSample {
  at: string;
  cpu: number;
  memory: number;
  heap: number;
  goroutines: number;
  rooms: number;
  participants: number;
  audioTracks: number;
  videoTracks: number;
  subscriptions: number;
  connections: number;
  routes: { protocol: string; candidate: string; count: number }[];
  in: Flow;
  out: Flow;
  log: { first: number; last: number; disk: number; waiting: number; commits: number; syncMs: number; syncP99Ms: number };
}

export interface NodeMessage {
  version: string;
  startedAt: string;
  processors: number;
  history?: NodeSample[];
  now: NodeSample;
}

export interface Node {
  version: string;
  startedAt: string;
  processors: number;
  // Oldest first: those of the last quarter of an hour.
  samples: readonly NodeSample[];
}

// How far back the charts go, in milliseconds.
export const span = 15 * 60_000;

// mergeNode adds messages to what is known. A message with a history begins anew:
// the stream was opened again, by a server that may be another.
export function mergeNode(known: Node | undefined, messages: readonly NodeMessage[]): Node | undefined {
  for (const { version, startedAt, processors, history, now } of messages) {
    const before: readonly NodeSample[] = history ?? known?.samples ?? [];
    const at = Date.parse(now.at);
    const samples = before.filter((sample) => Date.parse(sample.at) > at - span && Date.parse(sample.at) < at);
    known = { version, startedAt, processors, samples: [...samples, now] };
  }
  return known;
}

export interface Point {
  at: number; // milliseconds
  value: number;
}

export function gauge(samples: readonly NodeSample[], value: (sample: NodeSample) => number): Point[] {
  return samples.map((sample) => ({ at: Date.parse(sample.at), value: value(sample) }));
}

// perSecond turns a count into how often a second it rises. A count that falls
// began anew.
export function perSecond(samples: readonly NodeSample[], count: (sample: NodeSample) => number): Point[] {
  const points: Point[] = [];
  for (let i = 1; i < samples.length; i++) {
    const before = samples[i - 1];
    const sample = samples[i];
    if (!before || !sample) continue;
    const at = Date.parse(sample.at);
    const seconds = (at - Date.parse(before.at)) / 1000;
    if (seconds <= 0) continue;
    points.push({ at, value: Math.max(0, count(sample) - count(before)) / seconds });
  }
  return points;
}

// ratio is, of two counts, the share of the first of their sum, in each interval.
export function ratio(samples: readonly NodeSample[], part: (sample: NodeSample) => number, rest: (sample: NodeSample) => number): Point[] {
  const parts = perSecond(samples, part);
  const rests = perSecond(samples, rest);
  return parts.map((point, i) => {
    const sum = point.value + (rests[i]?.value ?? 0);
    return { at: point.at, value: sum > 0 ? point.value / sum : 0 };
  });
}

// niceTop is the least of 1, 2, 2.5 and 5 times a power of ten that is not below max or least.
export function niceTop(max: number, least: number): number {
  const wanted = Math.max(max, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  for (const factor of [1, 2, 2.5, 5, 10]) {
    if (factor * power >= wanted * 0.999) return factor * power;
  }
  return 10 * power;
}
