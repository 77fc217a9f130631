import { useCallback, useLayoutEffect, useRef, useState, type RefObject } from 'react';

// From how near the end on a reader counts as at the end, in pixels.
const near = 24;

export interface FollowEnd {
  scroller: RefObject<HTMLDivElement | null>;
  onScroll: () => void;
  // How many came while the reader was elsewhere.
  unseen: number;
  toEnd: () => void;
  // The reader stays where they are, whatever comes.
  stay: () => void;
}

// useFollowEnd keeps a reader who is at the end of a growing list at its end.
// total counts what has ever been added to it.
export function useFollowEnd(total: number): FollowEnd {
  const scroller = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const seen = useRef(0);
  const [unseen, setUnseen] = useState(0);

  // After each rendering: what is in the list may change without their number.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    if (following.current) {
      element.scrollTop = element.scrollHeight;
      seen.current = total;
      setUnseen(0);
    } else {
      setUnseen(Math.max(0, total - seen.current));
    }
  });

  // A panel that changes its size, or is shown again, keeps its end in view.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      if (following.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const onScroll = useCallback(() => {
    const element = scroller.current;
    if (!element || element.clientHeight === 0) return;
    following.current = element.scrollHeight - element.scrollTop - element.clientHeight < near;
    if (following.current) {
      seen.current = total;
      setUnseen(0);
    }
  }, [total]);
  const toEnd = useCallback(() => {
    following.current = true;
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
    onScroll();
  }, [onScroll]);
  const stay = useCallback(() => {
    following.current = false;
  }, []);

  return { scroller, onScroll, unseen, toEnd, stay };
}
