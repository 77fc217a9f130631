import { bitrate, dateTime } from '../ui/format';

// Ingress is an endpoint for streams from encoders, as the service answers.
export interface Ingress {
  ingress_id: string;
  name: string;
  // The caller may see it; the page shows it once, and when asked to.
  stream_key: string;
  url: string;
  input_type: 'RTMP_INPUT' | 'WHIP_INPUT' | 'URL_INPUT';
  room_name: string;
  participant_identity: string;
  participant_name: string;
  reusable: boolean;
  // Absent: it is.
  enabled?: boolean | null;
  state: State | null;
}

export interface State {
  status: 'ENDPOINT_INACTIVE' | 'ENDPOINT_BUFFERING' | 'ENDPOINT_PUBLISHING' | 'ENDPOINT_ERROR' | 'ENDPOINT_COMPLETE';
  error: string;
  video: { mime_type: string; average_bitrate: number; width: number; height: number; framerate: number } | null;
  audio: { mime_type: string; average_bitrate: number; channels: number; sample_rate: number } | null;
  // Unix nanoseconds, "0" if it did not happen.
  started_at: string;
  ended_at: string;
}

export type Tone = 'good' | 'warn' | 'bad' | undefined;

// statusOf is how an endpoint is, in a word, and how good that is.
export function statusOf({ state, enabled }: Pick<Ingress, 'state' | 'enabled'>): { label: string; tone: Tone } {
  switch (state?.status) {
    case 'ENDPOINT_PUBLISHING':
      return { label: 'live', tone: 'good' };
    case 'ENDPOINT_BUFFERING':
      return { label: 'waiting for media', tone: 'warn' };
    case 'ENDPOINT_ERROR':
      return { label: 'failed', tone: 'bad' };
    case 'ENDPOINT_COMPLETE':
      return { label: 'complete', tone: undefined };
    default:
      return { label: enabled === false ? 'disabled' : 'idle', tone: undefined };
  }
}

// isLive says whether something comes there now.
export function isLive({ state }: Pick<Ingress, 'state'>): boolean {
  return state?.status === 'ENDPOINT_PUBLISHING' || state?.status === 'ENDPOINT_BUFFERING';
}

export const inputs: Record<Ingress['input_type'], string> = { RTMP_INPUT: 'RTMP', WHIP_INPUT: 'WHIP', URL_INPUT: 'URL' };

// mediaOf is what comes, in words, or when something came last.
export function mediaOf(ingress: Pick<Ingress, 'state'>): string {
  const { state } = ingress;
  if (!state) return '';
  if (!isLive(ingress)) return state.ended_at === '0' || !state.ended_at ? '' : `until ${dateTime(Number(state.ended_at) / 1e6)}`;
  const said: string[] = [];
  if (state.video) {
    const { mime_type, width, height, framerate, average_bitrate } = state.video;
    said.push([codec(mime_type), width > 0 ? `${width} × ${height}` : '', framerate > 0 ? `${Math.round(framerate)} frames/s` : '', bitrate(average_bitrate)].filter(Boolean).join(', '));
  }
  if (state.audio) said.push([codec(state.audio.mime_type), bitrate(state.audio.average_bitrate)].join(', '));
  return said.join(' · ');
}

function codec(mime: string): string {
  const name = mime.slice(mime.indexOf('/') + 1);
  return name.toLowerCase() === 'opus' || name.toLowerCase() === 'red' ? 'Opus' : name;
}

// requestOf is the form of a new endpoint as the service takes it.
export function requestOf(form: FormData): Record<string, unknown> {
  const text = (name: string) => String(form.get(name) ?? '').trim();
  const request: Record<string, unknown> = {
    input_type: text('input'),
    name: text('name'),
    room_name: text('room'),
    participant_identity: text('identity'),
    participant_name: text('participant'),
  };
  if (text('input') === 'URL_INPUT') request['url'] = text('url');
  if (form.get('screen') !== null) {
    request['video'] = { source: 'SCREEN_SHARE' };
    request['audio'] = { source: 'SCREEN_SHARE_AUDIO' };
  }
  return request;
}
