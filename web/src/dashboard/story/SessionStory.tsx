import { useEffect, useState } from 'react';
import { Link, useSearch } from 'wouter';
import { BackIcon } from '../ui/icons';
import { count, dateTime, time } from '../ui/format';
import { Bars } from './Bars';
import { nearest } from './filter';
import type { Session } from './history';
import { StateAt } from './StateAt';
import { Summary } from './Summary';
import { Timeline } from './Timeline';
import { heldEvents, useStory } from './useStory';

// SessionStory tells one session: in figures, as bars over time, event by event, and
// as the room was at any of them.
export function SessionStory({ session }: { session: Session }) {
  const { story, version, whole, state, why } = useStory(session);
  const asked = Number(new URLSearchParams(useSearch()).get('seq') ?? 0);
  // Undefined: at the newest event, and on with it. A session that is over is read from
  // its beginning.
  const [chosen, setChosen] = useState<number | undefined>(asked > 0 ? asked : session.open ? undefined : session.first);
  const [identity, setIdentity] = useState('');
  const live = story.to === undefined && session.open;
  const now = useNow(live && whole);

  const { events } = story;
  const seq = chosen ?? story.lastSeq;
  const index = Math.max(nearest(events, seq), 0);
  const current = events[index];
  const choose = (next: number) => setChosen(next >= events.length - 1 && live ? undefined : events[Math.max(0, Math.min(next, events.length - 1))]?.seq);

  return (
    <div className="story" data-testid="story" data-sid={session.sid} data-live={live} data-whole={whole}>
      <div className="page-head">
        <Link href="/" className="button quiet" aria-label="All sessions" title="All sessions">
          <BackIcon />
        </Link>
        <h1>{session.room}</h1>
        {live ? (
          <span className="tag" data-tone="good" role="status">
            <i className="dot" aria-hidden="true" /> live
          </span>
        ) : (
          <span className="tag">over</span>
        )}
        <span className="sum">
          {dateTime(session.startedAt)}
          {story.to !== undefined && ` – ${time(story.to)}`}
        </span>
        <span className="page-space" />
        <code className="value">{session.sid}</code>
      </div>
      {!whole && state !== 'refused' && (
        <div className="story-progress" role="status">
          <progress value={events.length} max={Math.max(session.events, 1)} aria-label="Events read" />
          Reading {count(events.length)} of {count(session.events)} events
        </div>
      )}
      {state === 'refused' && (
        <p className="story-notice" role="alert">
          The events cannot be read: {why}
        </p>
      )}
      {events.length >= heldEvents && (
        <p className="story-notice" role="status">
          The session has more events than this page holds: the first {count(heldEvents)} are shown. GET /events has all.
        </p>
      )}
      {whole && events.length > 0 && (events[0]?.roomSeq ?? 1) > 1 && (
        <p className="story-notice">The beginning of this session has left the log; the story begins with event {count(events[0]?.roomSeq ?? 0)} of it.</p>
      )}
      <Summary session={session} story={story} now={now} />
      <Bars
        story={story}
        version={version}
        now={now}
        at={current?.at}
        onTime={(at) => choose(lastAt(events, at))}
        identity={identity}
        onIdentity={setIdentity}
      />
      <div className="story-split">
        <Timeline story={story} version={version} seq={current?.seq ?? 0} follow={chosen === undefined && live} onSeq={(next) => choose(nearest(events, next))} identity={identity} onIdentity={setIdentity} />
        <section className="panel then" aria-label="The room at an event">
          <header className="panel-head">
            <h2>The room then</h2>
            <span className="sum" data-testid="then">
              {current && `after event ${current.roomSeq}, ${time(current.at)}`}
            </span>
          </header>
          <div className="slider">
            <button type="button" className="button quiet" aria-label="The event before" disabled={index <= 0} onClick={() => choose(index - 1)}>
              ‹
            </button>
            <input
              type="range"
              min={0}
              max={Math.max(events.length - 1, 0)}
              value={index}
              aria-label="Event of the session"
              aria-valuetext={current ? `event ${current.roomSeq}, ${current.name} of ${current.who} at ${time(current.at)}` : 'no event yet'}
              onChange={(event) => choose(Number(event.target.value))}
              data-testid="slider"
            />
            <button type="button" className="button quiet" aria-label="The next event" disabled={index >= events.length - 1} onClick={() => choose(index + 1)}>
              ›
            </button>
            {live && (
              <button type="button" className="button quiet" aria-pressed={chosen === undefined} onClick={() => setChosen(undefined)}>
                Now
              </button>
            )}
          </div>
          {current && (
            <p className="then-event">
              <code>{current.name}</code> {current.who}
            </p>
          )}
          {current && <StateAt sid={session.sid} seq={current.seq} />}
        </section>
      </div>
    </div>
  );
}

// lastAt is the index of the last event that is no later than a time. Events are in
// the order of the log, whose times can be a little out of it.
function lastAt(events: readonly { at: number }[], at: number): number {
  let found = 0;
  for (let i = 0; i < events.length; i++) if ((events[i]?.at ?? 0) <= at) found = i;
  return found;
}

// useNow ticks while it is wanted.
function useNow(on: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return on ? Math.max(now, 0) : Date.now();
}
