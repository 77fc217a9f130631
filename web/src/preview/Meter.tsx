import { useEffect, useRef, useState } from 'react';
import type { LocalAudioTrack } from 'livekit-client';
import { falling, level } from './level';

// From here on somebody has spoken.
const speech = 0.35;

// Meter shows how loud the microphone hears; and says once, for those who do not
// see it, that it hears at all.
export function Meter({ track }: { track: LocalAudioTrack | undefined }) {
  const bar = useRef<HTMLSpanElement>(null);
  const [heard, setHeard] = useState(false);
  useEffect(() => {
    setHeard(false);
    const element = bar.current;
    if (!track || !element) return;
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    context.createMediaStreamSource(new MediaStream([track.mediaStreamTrack])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let shown = 0;
    let last = performance.now();
    let frame = 0;
    const draw = (now: number) => {
      analyser.getFloatTimeDomainData(samples);
      shown = falling(shown, level(samples), now - last);
      last = now;
      element.style.transform = `scaleX(${shown})`;
      if (shown > speech) setHeard(true);
      frame = requestAnimationFrame(draw);
    };
    // Until the reader has touched the page some browsers hold the sound back, and
    // the meter with it.
    const wake = () => void context.resume().catch(() => undefined);
    wake();
    addEventListener('pointerdown', wake, { once: true });
    frame = requestAnimationFrame(draw);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('pointerdown', wake);
      element.style.transform = 'scaleX(0)';
      void context.close();
    };
  }, [track]);
  return (
    <span className="meter" data-testid="meter" data-heard={heard}>
      <span className="meter-bar" aria-hidden="true">
        <span ref={bar} />
      </span>
      <span className="unseen" role="status">
        {heard && 'The microphone hears you.'}
      </span>
    </span>
  );
}
