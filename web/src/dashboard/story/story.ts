import { number, string, type StoryEvent } from './event';
import { Jobs } from './job';

// Span is a stretch of time in milliseconds since 1970; to is undefined while it
// goes on.
export interface Span {
  from: number;
  to: number | undefined;
}

// Gap is a time without a connection.
export interface Gap extends Span {
  // How it ended: the participant came back, or was given up.
  resumed: boolean;
}

export interface Judged extends Span {
  level: string;
}

// Stay is one participant session: from the accepted join to the leave.
export interface Stay {
  sid: string;
  // When it was accepted, when its transport was up, when it ended.
  connecting: number | undefined;
  joined: number | undefined;
  left: number | undefined;
  // It never joined.
  aborted: boolean;
  // Why and through whom it ended.
  reason: string;
  actor: string;
  synthesized: boolean;
  gaps: Gap[];
  resumes: number;
  quality: Judged[];
  // From the summary that follows the leave, in milliseconds; undefined without.
  mediaMs: number | undefined;
}

export interface TrackSpan extends Span {
  sid: string;
  muted: Span[];
}

// Lane is what a person published of one source: one bar above the other only
// where two run at the same time.
export interface Lane {
  key: string;
  label: string;
  kind: 'audio' | 'video' | 'screen' | 'data';
  tracks: TrackSpan[];
}

// Person is an identity with all of its stays.
export interface Person {
  identity: string;
  name: string;
  // Place in the order of first appearance.
  index: number;
  stays: Stay[];
  lanes: Lane[];
  speech: Span[];
}

export interface Totals {
  durationMs: number;
  people: number;
  stays: number;
  aborted: number;
  peak: number;
  tracks: number;
  talkMs: number;
  resumes: number;
  // The mean from accepted join to the transport being up, and to the first media;
  // undefined when there was none.
  joinMs: number | undefined;
  mediaMs: number | undefined;
  // How long connections were of each level, in milliseconds.
  quality: Record<Level, number>;
}

export type Level = 'excellent' | 'good' | 'poor' | 'lost';
export const levels: readonly Level[] = ['excellent', 'good', 'poor', 'lost'];

// Story is what the events of one session tell. Events are added in their order,
// each once; what is added changes the objects in place, and version says that it
// did.
export class Story {
  version = 0;
  readonly events: StoryEvent[] = [];
  readonly people: Person[] = [];
  readonly jobs = new Jobs();
  from: number | undefined;
  // Of room_finished.
  to: number | undefined;
  reason = '';
  actor = '';
  // What the server summed up itself, of room_summary.
  summary: Record<string, unknown> | undefined;

  private readonly byIdentity = new Map<string, Person>();
  private readonly bySid = new Map<string, Stay>();
  private readonly tracks = new Map<string, TrackSpan>();
  private present = 0;
  private peak = 0;
  private published = 0;

  // lastSeq is where to go on reading.
  get lastSeq(): number {
    return this.events.at(-1)?.seq ?? 0;
  }

  // end is the end of what is told so far: of the session, or now.
  end(now: number): number {
    return Math.max(this.to ?? now, this.events.at(-1)?.at ?? 0);
  }

  add(events: readonly StoryEvent[]): void {
    for (const event of events) {
      if (event.seq <= this.lastSeq) continue;
      this.events.push(event);
      this.from ??= event.at;
      this.apply(event);
    }
    this.version++;
  }

  private apply(event: StoryEvent): void {
    if (event.job) event.who = this.jobs.take(event.job, event.at, (sid) => this.trackName(sid)).what;
    switch (event.name) {
      case 'room_finished':
        this.to = event.at;
        this.reason = event.reason;
        this.actor = event.actor;
        return;
      case 'room_summary':
        this.summary = event.detail;
        return;
    }
    if (event.participantSid === '') return;
    const person = this.person(event);
    if (event.name === 'subscription_failed') return; // the track is another's
    if (event.trackSid !== '') {
      this.track(person, event);
      return;
    }
    const stay = this.stay(person, event);
    switch (event.name) {
      case 'participant_connecting':
        stay.connecting = event.at;
        break;
      case 'participant_joined':
        stay.joined = event.at;
        this.peak = Math.max(this.peak, ++this.present);
        break;
      case 'participant_left':
      case 'participant_connection_aborted':
        if (stay.left === undefined && stay.joined !== undefined) this.present--;
        stay.left = event.at;
        stay.aborted = event.name === 'participant_connection_aborted';
        stay.reason = event.reason;
        stay.actor = event.actor;
        stay.synthesized = event.synthesized;
        endLast(stay.gaps, event.at);
        endLast(stay.quality, event.at);
        break;
      case 'participant_connection_lost':
      case 'participant_reconnecting':
        if (stay.gaps.at(-1)?.to !== undefined || stay.gaps.length === 0) stay.gaps.push({ from: event.at, to: undefined, resumed: false });
        break;
      case 'participant_resumed': {
        const gap = stay.gaps.at(-1);
        if (gap && gap.to === undefined) {
          gap.to = event.at;
          gap.resumed = true;
        }
        stay.resumes++;
        break;
      }
      case 'connection_quality_changed':
        endLast(stay.quality, event.at);
        if (event.detail) stay.quality.push({ from: event.at, to: stay.left, level: string(event.detail['level']) });
        break;
      case 'participant_spoke':
        if (event.detail) {
          const from = Date.parse(string(event.detail['startedAt'])) || event.at;
          person.speech.push({ from, to: from + number(event.detail['durationMs']) });
        }
        break;
      case 'participant_summary':
        if (event.detail) {
          const ms = number(event.detail['firstMediaMs']);
          stay.mediaMs = ms >= 0 ? ms : undefined;
        }
        break;
    }
  }

  // trackName is whose a track is, and what; empty for one that is not known.
  private trackName(sid: string): string {
    for (const person of this.people) {
      const of = person.lanes.find((l) => l.tracks.some((track) => track.sid === sid));
      if (of) return `${person.name || person.identity}, ${of.label}`;
    }
    return '';
  }

  private person(event: StoryEvent): Person {
    let person = this.byIdentity.get(event.identity);
    if (!person) {
      person = { identity: event.identity, name: '', index: this.people.length, stays: [], lanes: [], speech: [] };
      this.byIdentity.set(event.identity, person);
      this.people.push(person);
    }
    if (event.who !== event.identity && event.who !== '') person.name = event.who;
    return person;
  }

  private stay(person: Person, event: StoryEvent): Stay {
    let stay = this.bySid.get(event.participantSid);
    if (!stay) {
      stay = {
        sid: event.participantSid, connecting: undefined, joined: undefined, left: undefined, aborted: false, reason: '', actor: '',
        synthesized: false, gaps: [], resumes: 0, quality: [], mediaMs: undefined,
      };
      this.bySid.set(stay.sid, stay);
      person.stays.push(stay);
    }
    return stay;
  }

  private track(person: Person, event: StoryEvent): void {
    let track = this.tracks.get(event.trackSid);
    if (!track) {
      track = { sid: event.trackSid, from: event.at, to: undefined, muted: [] };
      this.tracks.set(track.sid, track);
      lane(person, event).tracks.push(track);
      if (event.name === 'track_published') this.published++;
    }
    switch (event.name) {
      case 'track_unpublished':
        track.to = event.at;
        endLast(track.muted, event.at);
        break;
      case 'track_muted':
        if (track.muted.at(-1)?.to !== undefined || track.muted.length === 0) track.muted.push({ from: event.at, to: undefined });
        break;
      case 'track_unmuted':
        endLast(track.muted, event.at);
        break;
    }
  }

  // totals sums the session up: as the server did, once it has, else from what is
  // seen so far.
  totals(now: number): Totals {
    const end = this.end(now);
    const totals: Totals = {
      durationMs: this.from === undefined ? 0 : end - this.from,
      people: this.people.length, stays: 0, aborted: 0, peak: this.peak, tracks: this.published, talkMs: 0, resumes: 0,
      joinMs: undefined, mediaMs: undefined, quality: { excellent: 0, good: 0, poor: 0, lost: 0 },
    };
    const joins: number[] = [];
    const media: number[] = [];
    for (const person of this.people) {
      for (const { from, to } of person.speech) totals.talkMs += (to ?? end) - from;
      for (const stay of person.stays) {
        if (stay.joined !== undefined) totals.stays++;
        if (stay.aborted) totals.aborted++;
        totals.resumes += stay.resumes;
        if (stay.joined !== undefined && stay.connecting !== undefined) joins.push(stay.joined - stay.connecting);
        if (stay.mediaMs !== undefined) media.push(stay.mediaMs);
        for (const { level, from, to } of stay.quality) {
          if (level in totals.quality) totals.quality[level as Level] += (to ?? stay.left ?? end) - from;
        }
      }
    }
    totals.joinMs = mean(joins);
    totals.mediaMs = mean(media);
    if (this.summary) {
      totals.durationMs = number(this.summary['durationMs']);
      totals.talkMs = number(this.summary['talkMs']);
      totals.resumes = number(this.summary['resumes']);
      totals.peak = number(this.summary['peak']);
      totals.tracks = number(this.summary['tracksPublished']);
      const ms = number(this.summary['firstMediaMs']);
      if (ms >= 0) totals.mediaMs = ms;
      const quality = this.summary['qualityMs'];
      if (typeof quality === 'object' && quality !== null) {
        for (const level of levels) totals.quality[level] = number((quality as Record<string, unknown>)[level]);
      }
    }
    return totals;
  }
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function endLast(spans: Span[], at: number): void {
  const last = spans.at(-1);
  if (last && last.to === undefined) last.to = at;
}

// lane returns the lane of the track that an event publishes.
function lane(person: Person, event: StoryEvent): Lane {
  const { source, type } = event;
  const of = source === '' || source === 'UNKNOWN' ? type : source;
  const free = (l: Lane) => l.key.startsWith(`${of} `) && l.tracks.every((track) => track.to !== undefined && track.to <= event.at);
  let found = person.lanes.find(free);
  if (!found) {
    const nth = person.lanes.filter((l) => l.key.startsWith(`${of} `)).length + 1;
    const label = of.toLowerCase().replaceAll('_', ' ');
    found = { key: `${of} ${nth}`, label: nth > 1 ? `${label} ${nth}` : label, kind: kindOf(source, type), tracks: [] };
    person.lanes.push(found);
  }
  return found;
}

function kindOf(source: string, type: string): Lane['kind'] {
  if (source.startsWith('SCREEN')) return 'screen';
  if (type === 'DATA') return 'data';
  return type === 'VIDEO' ? 'video' : 'audio';
}
