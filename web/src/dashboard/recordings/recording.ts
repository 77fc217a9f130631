// What livekit.Egress answers, as far as the dashboard reads it; 64-bit numbers are
// text, times are nanoseconds since 1970.

export type Status = 'EGRESS_STARTING' | 'EGRESS_ACTIVE' | 'EGRESS_ENDING' | 'EGRESS_COMPLETE' | 'EGRESS_FAILED' | 'EGRESS_ABORTED' | 'EGRESS_LIMIT_REACHED';

export interface FileInfo {
  filename: string;
  location: string;
  started_at: string;
  ended_at: string;
  duration: string;
  size: string;
}

interface SegmentsInfo {
  playlist_location: string;
  duration: string;
  size: string;
  segment_count: string;
}

interface StreamInfo {
  url: string;
  status: string;
}

export interface Recording {
  egress_id: string;
  room_id: string;
  room_name: string;
  status: Status;
  started_at: string;
  ended_at: string;
  details: string;
  error: string;
  file_results: FileInfo[];
  segment_results: SegmentsInfo[];
  stream_results: StreamInfo[];
  manifest_location: string;
  backup_storage_used: boolean;
  // One of them says what is recorded.
  track?: { track_id: string };
  track_composite?: { audio_track_id: string; video_track_id: string };
  participant?: { identity: string };
  room_composite?: { audio_only: boolean; layout: string };
  web?: { url: string };
  egress?: object;
}

// Capability is a way to record, and why it is not there.
export interface Capability {
  name: string;
  works: boolean;
  reason?: string;
}

export interface Capabilities {
  egress: Capability[];
  busy?: string;
}

export interface State {
  label: string;
  tone: 'good' | 'warn' | 'bad' | 'none';
  live: boolean;
}

// stateOf is a status in words.
export function stateOf(recording: Recording): State {
  switch (recording.status) {
    case 'EGRESS_STARTING':
      return { label: 'starting', tone: 'none', live: true };
    case 'EGRESS_ACTIVE':
      return { label: 'recording', tone: 'bad', live: true };
    case 'EGRESS_ENDING':
      return { label: 'ending', tone: 'none', live: true };
    case 'EGRESS_COMPLETE':
      return { label: 'complete', tone: 'good', live: false };
    case 'EGRESS_LIMIT_REACHED':
      return { label: 'limit reached', tone: 'warn', live: false };
    case 'EGRESS_ABORTED':
      return { label: 'nothing came', tone: 'none', live: false };
    case 'EGRESS_FAILED':
      return { label: 'failed', tone: 'bad', live: false };
  }
}

// whatOf is what is recorded.
export function whatOf(recording: Recording): string {
  if (recording.participant) return recording.participant.identity;
  if (recording.track) return `track ${recording.track.track_id}`;
  if (recording.track_composite) return 'two tracks';
  if (recording.room_composite) return recording.room_composite.audio_only ? 'the room’s sound' : 'the room';
  if (recording.web) return recording.web.url;
  return 'the room';
}

// millis is a time, or a length, in milliseconds.
export const millis = (ns: string): number => Number(ns) / 1e6;

export const lengthOf = (recording: Recording): number =>
  Math.max(0, ...[...recording.file_results, ...recording.segment_results].map((file) => millis(file.duration)));

export const sizeOf = (recording: Recording): number =>
  [...recording.file_results, ...recording.segment_results].reduce((sum, file) => sum + Number(file.size), 0);

// isHere says whether a file is on the server, and not in a store.
export const isHere = (file: FileInfo): boolean => !/^https?:\/\//.test(file.location);

export const isSound = (file: FileInfo): boolean => /\.(ogg|mp3)$/.test(file.filename);

// placeOf is where a recording lies, in few words.
export function placeOf(recording: Recording): string {
  const [file] = recording.file_results;
  const location = file?.location ?? recording.segment_results[0]?.playlist_location;
  if (location === undefined) return recording.stream_results.length > 0 ? 'a stream' : '';
  try {
    return new URL(location).host;
  } catch {
    return 'the server';
  }
}
