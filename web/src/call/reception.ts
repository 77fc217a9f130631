// What a connection's statistics say of one picture that comes in.
export interface Reading {
  // Milliseconds, of the statistics' own clock.
  at: number;
  width: number;
  height: number;
  // Frames a second.
  rate: number;
  bytes: number;
  decoded: number;
  codec: string;
}

export interface Layer {
  quality: number;
  width: number;
  height: number;
}

export interface Reception {
  width: number;
  height: number;
  rate: number;
  // Bits a second.
  bitrate: number;
  // high, medium or low; empty where the publisher sends one layer only.
  layer: string;
  codec: string;
  // For how many readings on end bytes have come in, but no picture of them.
  stuck: number;
}

// From how many on that is no coincidence: nobody sends so few pictures, and a
// first one takes no longer.
export const stuckEnough = 3;

type Stat = Readonly<Record<string, unknown>>;

// readInbound finds the picture in a receiver's report.
export function readInbound(report: Iterable<Stat>): Reading | undefined {
  const stats = [...report];
  const inbound = stats.find((stat) => stat['type'] === 'inbound-rtp' && stat['kind'] === 'video');
  if (!inbound) return undefined;
  const codec = stats.find((stat) => stat['type'] === 'codec' && stat['id'] === inbound['codecId']);
  return {
    at: number(inbound['timestamp']),
    width: number(inbound['frameWidth']),
    height: number(inbound['frameHeight']),
    rate: number(inbound['framesPerSecond']),
    bytes: number(inbound['bytesReceived']),
    decoded: number(inbound['framesDecoded']),
    codec: codecName(codec?.['mimeType']),
  };
}

// reception is what has come between two readings; stuck is that of the one before.
export function reception(before: Reading | undefined, now: Reading, layers: readonly Layer[], stuck = 0): Reception {
  const seconds = before ? (now.at - before.at) / 1000 : 0;
  const bytes = before ? now.bytes - before.bytes : 0;
  return {
    width: now.width,
    height: now.height,
    rate: Math.round(now.rate),
    bitrate: seconds > 0 ? Math.max(0, (bytes * 8) / seconds) : 0,
    layer: layerName(now.width, now.height, layers),
    codec: now.codec,
    stuck: before ? stuckNow(stuck, bytes, now.decoded - before.decoded) : 0,
  };
}

// stuckNow stays as it is while nothing comes: what is out of sight is not sent.
function stuckNow(stuck: number, bytes: number, decoded: number): number {
  if (decoded > 0) return 0;
  return bytes > 0 ? stuck + 1 : stuck;
}

const names = ['low', 'medium', 'high'];

// layerName is the layer whose size is nearest: encoders may shrink a layer.
export function layerName(width: number, height: number, layers: readonly Layer[]): string {
  if (layers.length < 2 || width * height === 0) return '';
  const off = (layer: Layer) => Math.abs(Math.log((layer.width * layer.height || 1) / (width * height)));
  const nearest = layers.reduce((best, layer) => (off(layer) < off(best) ? layer : best));
  return names[nearest.quality] ?? '';
}

// What a connection's statistics say of one layer that goes out.
export interface Sent {
  layer: string;
  width: number;
  height: number;
  rate: number;
  bitrate: number;
  // The server asked for it: with dynacast nobody watches a layer that is not sent.
  active: boolean;
  // Why it is not better: cpu, bandwidth, or none.
  limit: string;
}

const rids: Readonly<Record<string, string>> = { q: 'low', h: 'medium', f: 'high' };
const order = ['high', 'medium', 'low', ''];

// readOutbound is the layers of a sender's report, with bytes and time to
// compare them by.
export function readOutbound(report: Iterable<Stat>): Map<string, Stat> {
  const layers = new Map<string, Stat>();
  for (const stat of report) {
    if (stat['type'] === 'outbound-rtp' && stat['kind'] === 'video') layers.set(String(stat['rid'] ?? ''), stat);
  }
  return layers;
}

// sent is what has gone out between two readings, best layer first.
export function sent(before: ReadonlyMap<string, Stat>, now: ReadonlyMap<string, Stat>): Sent[] {
  return [...now]
    .map(([rid, stat]) => {
      const last = before.get(rid);
      const seconds = last ? (number(stat['timestamp']) - number(last['timestamp'])) / 1000 : 0;
      const bytes = last ? number(stat['bytesSent']) - number(last['bytesSent']) : 0;
      return {
        layer: rids[rid] ?? (now.size > 1 ? rid : ''),
        width: number(stat['frameWidth']),
        height: number(stat['frameHeight']),
        rate: Math.round(number(stat['framesPerSecond'])),
        bitrate: seconds > 0 ? Math.max(0, (bytes * 8) / seconds) : 0,
        active: stat['active'] !== false && (before.size === 0 || bytes > 0),
        limit: String(stat['qualityLimitationReason'] ?? 'none'),
      };
    })
    .toSorted((a, b) => order.indexOf(a.layer) - order.indexOf(b.layer));
}

// bitrateText is short and steady: 1.4 Mbit/s, 380 kbit/s.
export function bitrateText(bits: number): string {
  if (bits >= 1_000_000) return `${(bits / 1_000_000).toFixed(1)} Mbit/s`;
  return `${Math.round(bits / 1000)} kbit/s`;
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function codecName(mime: unknown): string {
  return typeof mime === 'string' ? mime.replace(/^video\//i, '') : '';
}
