import { useEffect, useRef, useState } from 'react';
import { openFeed, type FeedState } from '../api/feed';
import { reportFeed } from '../api/health';
import { parseEvent, type StoryEvent } from './event';
import type { Session } from './history';
import { Story } from './story';

// heldEvents bounds what the page holds of one session.
export const heldEvents = 200_000;
// Events are taken up in groups, so that a long past is a few renderings.
const groupMs = 120;

export interface Told {
  story: Story;
  // story.version, for who remembers what it worked out.
  version: number;
  // All that the session had when the page opened is read.
  whole: boolean;
  state: FeedState;
  why: string;
}

// useStory reads a session from its first event on, and goes on while it is open.
export function useStory(session: Session): Told {
  const [told, setTold] = useState<Told>(() => ({ story: new Story(), version: 0, whole: false, state: 'connecting', why: '' }));
  const latest = useRef(session);
  latest.current = session;
  const { sid } = session;
  const [fromStart, setFromStart] = useState(false);

  useEffect(() => {
    const story = new Story();
    const { first, last, events: known } = latest.current;
    const id = Symbol(sid);
    let group: StoryEvent[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    // A recording may end after its room.
    const over = () => (story.to !== undefined || (last !== undefined && story.lastSeq >= last)) && !story.jobs.running;
    const done = () => over() || story.events.length >= heldEvents;

    const take = () => {
      timer = undefined;
      story.add(group);
      group = [];
      const whole = done() || (story.events.at(-1)?.roomSeq ?? 0) >= known;
      setTold((before) => ({ ...before, story, version: story.version, whole }));
      if (!done()) return;
      close();
      reportFeed(id, undefined);
    };
    const close = openFeed({
      path: () => `/events?${new URLSearchParams({ room: sid, after: String(story.lastSeq || (fromStart ? 0 : first - 1)) })}`,
      onMessages: (messages) => {
        for (const { data } of messages) {
          const event = parseEvent(data);
          if (event) group.push(event);
        }
        timer ??= setTimeout(take, groupMs);
      },
      onState: (state, why) => {
        // The beginning of a session can have left the log: what is left of it is told.
        if (state === 'refused' && !fromStart && story.events.length === 0) {
          setFromStart(true);
          return;
        }
        if (!done()) reportFeed(id, state);
        setTold((before) => ({ ...before, state, why }));
      },
    });
    return () => {
      clearTimeout(timer);
      close();
      reportFeed(id, undefined);
    };
  }, [sid, fromStart]);
  return told;
}
