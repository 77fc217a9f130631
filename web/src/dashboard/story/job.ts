import { inputs, statusOf, type Ingress, type State } from '../ingress/ingress';
import { stateOf, whatOf, type Recording } from '../recordings/recording';

// JobNews is what an event tells of a recording (egress) or of what an encoder sends
// (ingress): how it is since then.
export interface JobNews {
  kind: 'recording' | 'ingress';
  id: string;
  // What is recorded, or the encoder's name.
  what: string;
  // The track that is recorded alone; empty: it is more than one.
  trackSid: string;
  // How it is, in words, and how good that is.
  state: string;
  tone: JobTone;
  // Where it goes to or comes from, in words; a stream with how it is.
  outputs: string[];
  // Why it failed, else why it ended; may be empty.
  why: string;
  // When it began, in milliseconds since 1970; 0: it is not told.
  startedAt: number;
  over: boolean;
}

// JobTone colours a bar; it is never the only sign of a state.
export type JobTone = 'done' | 'live' | 'warn' | 'bad' | 'none';

// Job is a recording, or one session of an encoder, as a bar: to is undefined while
// it goes on.
export interface Job extends Omit<JobNews, 'over' | 'startedAt'> {
  // An encoder may come again: its endpoint's id alone does not tell bars apart.
  key: string;
  from: number;
  to: number | undefined;
}

// jobNews reads the body of an event; undefined for what is of no recording or
// ingress.
export function jobNews(name: string, body: Record<string, unknown>): JobNews | undefined {
  if (name.startsWith('egress_')) return recordingNews(name, body['egressInfo']);
  if (name.startsWith('ingress_')) return ingressNews(name, body['ingressInfo']);
  return undefined;
}

// Results are what of EgressInfo names outputs. Webhooks leave out what is zero.
interface Results {
  file_results?: { filename?: string }[];
  segment_results?: { playlist_name?: string }[];
  image_results?: { filename_prefix?: string }[];
  stream_results?: { url?: string; status?: string; error?: string }[];
}

function recordingNews(name: string, body: unknown): JobNews | undefined {
  const info = snake(body) as (Partial<Recording> & Results) | undefined;
  if (!info?.egress_id) return undefined;
  const recording = { ...info, status: info.status ?? 'EGRESS_STARTING' } as Recording;
  const over = name === 'egress_ended';
  // What a later server may say is said as it is.
  const state = stateOf(recording) ?? { label: words(recording.status, 'EGRESS_'), tone: 'none', live: !over };
  return {
    kind: 'recording',
    id: info.egress_id,
    what: whatOf(recording),
    trackSid: info.track?.track_id ?? '',
    state: state.label,
    tone: state.live ? 'live' : state.tone === 'good' ? 'done' : state.tone,
    outputs: outputsOf(info),
    why: info.error || (info.details ?? '').replace(/^End reason: /, ''),
    startedAt: Number(info.started_at ?? 0) / 1e6,
    over,
  };
}

function outputsOf(info: Results): string[] {
  return [
    ...(info.file_results ?? []).map((file) => `file ${file.filename ?? ''}`),
    ...(info.segment_results ?? []).map((list) => `playlist ${list.playlist_name ?? ''}`),
    ...(info.image_results ?? []).map((images) => `images ${images.filename_prefix ?? ''}`),
    ...(info.stream_results ?? []).map(({ url = '', status = 'ACTIVE', error }) => `stream ${url}, ${words(status)}${error ? `: ${error}` : ''}`),
  ].map((output) => output.trim());
}

function ingressNews(name: string, body: unknown): JobNews | undefined {
  const info = snake(body) as Partial<Ingress> | undefined;
  if (!info?.ingress_id) return undefined;
  const over = name === 'ingress_ended';
  const state = info.state ? ({ ...info.state, status: info.state.status ?? 'ENDPOINT_INACTIVE' } as State) : null;
  const { label, tone } = statusOf({ state });
  // Its endpoint waits for the next source, which this one does not.
  const ended = over && tone !== 'bad' && state?.status !== 'ENDPOINT_COMPLETE';
  return {
    kind: 'ingress',
    id: info.ingress_id,
    what: info.name || info.participant_name || info.participant_identity || info.ingress_id,
    trackSid: '',
    state: ended ? 'ended' : label,
    tone: tone === 'bad' ? 'bad' : over ? 'done' : 'live',
    outputs: [`from ${inputs[info.input_type ?? 'RTMP_INPUT']}`],
    why: state?.error ?? '',
    startedAt: Number(state?.started_at ?? 0) / 1e6,
    over,
  };
}

// snake names the fields as the services do: webhooks say egressId where they say
// egress_id.
function snake(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snake);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), snake(of)]));
}

function words(status: string, prefix = ''): string {
  return status.replace(prefix, '').toLowerCase().replaceAll('_', ' ');
}

// Jobs are the recordings and encoders of a session, in the order in which they
// began.
export class Jobs {
  readonly list: Job[] = [];
  private readonly latest = new Map<string, Job>();

  // running says that the end of one is still to come, maybe after that of the room.
  get running(): boolean {
    return this.list.some((job) => job.to === undefined);
  }

  // take changes a job by what was told at that time; nameOf names a track, or is
  // empty for one that it does not know.
  take(news: JobNews, at: number, nameOf: (trackSid: string) => string): Job {
    const { over, startedAt, ...told } = news;
    let job = this.latest.get(news.id);
    if (!job || (job.to !== undefined && news.kind === 'ingress')) {
      // The log can have lost the beginning, and who never sent anything has none.
      const from = over && startedAt > 0 ? Math.min(startedAt, at) : at;
      job = { ...told, key: `${news.id} ${this.list.length}`, from, to: undefined };
      if (news.trackSid !== '') job.what = nameOf(news.trackSid) || job.what;
      this.list.push(job);
      this.latest.set(news.id, job);
    }
    Object.assign(job, told, { what: job.what });
    if (over) job.to ??= at;
    return job;
  }
}
