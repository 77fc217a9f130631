// What GET /stats/rooms/{room} sends; see docs/openapi.yaml.

export interface Layer {
  layer: number;
  rid: string;
  live: boolean;
  wanted: number;
  bitrate: number;
  fps: number;
  lossShareIn: number;
  frames: number;
  packets: number;
  lost: number;
  nacks: number;
  plis: number;
  jitterMs: number;
  rttMs: number;
}

export interface TrackFigures {
  sid: string;
  subscribers: number;
  layers: Layer[];
}

export interface Reception {
  trackSid: string;
  publisher: string;
  subscriber: string;
  paused: boolean;
  starved: boolean;
  muted: boolean;
  layer: number;
  maxLayer: number;
  allotted: number;
  bitrate: number;
  packets: number;
  nacks: number;
  retransmitted: number;
  lossShare: number;
  jitterMs: number;
  rttMs: number;
}

export interface Transport {
  state: string;
  protocol: string;
  candidate: string;
}

export interface Permission {
  canSubscribe: boolean;
  canPublish: boolean;
  canPublishData: boolean;
  canUpdateMetadata: boolean;
  hidden: boolean;
  recorder: boolean;
  agent: boolean;
  canPublishSources: string[];
  [more: string]: unknown;
}

export interface TrackInfo {
  sid: string;
  type: string;
  name: string;
  muted: boolean;
  width: number;
  height: number;
  source: string;
  mimeType: string;
  encryption: string;
  layers: LayerInfo[];
  codecs: { mimeType: string; layers: LayerInfo[] }[];
}

interface LayerInfo {
  quality: string;
  width: number;
  height: number;
}

export interface ParticipantInfo {
  sid: string;
  identity: string;
  name: string;
  state: string;
  kind: string;
  metadata: string;
  attributes: Record<string, string>;
  joinedAtMs: string;
  permission: Permission;
  tracks: TrackInfo[];
}

export interface ClientInfo {
  sdk?: string;
  version?: string;
  protocol?: number;
  os?: string;
  osVersion?: string;
  browser?: string;
  browserVersion?: string;
  deviceModel?: string;
  network?: string;
}

export interface Person {
  sid: string;
  info: ParticipantInfo;
  client: ClientInfo | null;
  signal: boolean;
  resumes: number;
  publishes: Transport;
  receives: Transport;
  single: boolean;
  quality: string;
  score: number;
  speaking: boolean;
  level: number;
  tracks: TrackFigures[];
  reception: Reception[];
}

export interface RoomInfo {
  sid: string;
  name: string;
  metadata: string;
  creationTimeMs: string;
  numParticipants: number;
  numPublishers: number;
  maxParticipants: number;
  activeRecording: boolean;
}

export interface RoomMessage {
  at: string;
  full: boolean;
  live: boolean;
  room: RoomInfo | null;
  subscriptions: number;
  order: string[];
  participants: (Omit<Person, 'info' | 'client'> & Partial<Pick<Person, 'info' | 'client'>>)[];
}

// RoomState is a room as its messages tell of it.
export interface RoomState {
  at: string;
  live: boolean;
  room: RoomInfo | null;
  subscriptions: number;
  // As they came.
  people: readonly Person[];
}

// mergeRoom applies messages to what is known, nothing at first. Who did not
// change stays the same object.
export function mergeRoom(known: RoomState | undefined, messages: readonly RoomMessage[]): RoomState | undefined {
  for (const message of messages) {
    const people = new Map(message.full ? [] : known?.people.map((person) => [person.sid, person]));
    for (const told of message.participants) {
      const before = people.get(told.sid);
      const info = told.info ?? before?.info;
      if (!info) continue; // of somebody who is not known: the next full message has them
      people.set(told.sid, { ...told, info, client: told.client !== undefined ? told.client : (before?.client ?? null) });
    }
    known = {
      at: message.at,
      live: message.live,
      room: message.room,
      subscriptions: message.subscriptions,
      people: message.order.flatMap((sid) => people.get(sid) ?? []),
    };
  }
  return known;
}

// sizeOf is what a layer was announced with, the lowest being 0: clients list them
// in any order, by quality.
export function sizeOf(track: TrackInfo, layer: number, layers: number): { width: number; height: number } | undefined {
  const announced = track.codecs[0]?.layers.length ? track.codecs[0].layers : track.layers;
  const sizes = [...announced].sort((a, b) => a.width * a.height - b.width * b.height);
  // Layers that are not sent may still be announced: count from the best one then.
  const index = sizes.length >= layers ? layer : sizes.length - layers + layer;
  const size = sizes[index];
  if (size && size.width > 0) return { width: size.width, height: size.height };
  return layers === 1 && track.width > 0 ? { width: track.width, height: track.height } : undefined;
}

// words are an enum's name for people: SCREEN_SHARE is screen share.
export function words(name: string): string {
  return name.toLowerCase().replaceAll('_', ' ');
}

// codecOf is the name of a codec without its kind: VP8, opus.
export function codecOf(mime: string): string {
  if (mime.toLowerCase() === 'audio/red') return 'opus, redundant';
  return mime.split('/')[1] ?? mime;
}

// upBitrate is what somebody sends, in bits per second.
export function upBitrate(person: Person): number {
  return person.tracks.reduce((sum, track) => sum + track.layers.reduce((all, layer) => all + layer.bitrate, 0), 0);
}

// clientName is an SDK in words: JS 2.23.0.
export function clientName(client: ClientInfo | null): string {
  if (!client?.sdk) return 'unknown SDK';
  return [sdks[client.sdk] ?? words(client.sdk), client.version].filter(Boolean).join(' ');
}

const sdks: Record<string, string> = {
  JS: 'JavaScript', SWIFT: 'Swift', ANDROID: 'Android', FLUTTER: 'Flutter', GO: 'Go', UNITY: 'Unity', REACT_NATIVE: 'React Native',
  RUST: 'Rust', PYTHON: 'Python', CPP: 'C++', UNITY_WEB: 'Unity Web', NODE: 'Node', UNREAL: 'Unreal', ESP32: 'ESP32',
};

// deviceName is what the client runs on, in words.
export function deviceName(client: ClientInfo | null): string {
  const parts = [
    [client?.browser, client?.browserVersion].filter(Boolean).join(' '),
    [client?.os, client?.osVersion].filter(Boolean).join(' '),
    client?.deviceModel,
  ];
  return parts.filter(Boolean).join(', ');
}
