import { useConnectionQualityIndicator } from '@livekit/components-react';
import { ConnectionQuality, type Participant } from 'livekit-client';

const bars: Record<ConnectionQuality, number> = {
  [ConnectionQuality.Excellent]: 3,
  [ConnectionQuality.Good]: 2,
  [ConnectionQuality.Poor]: 1,
  [ConnectionQuality.Lost]: 0,
  [ConnectionQuality.Unknown]: 0,
};

// Quality shows a participant's connection as three bars.
export function Quality({ participant }: { participant: Participant }) {
  const { quality } = useConnectionQualityIndicator({ participant });
  if (quality === ConnectionQuality.Unknown) return null;
  return (
    <svg className="quality" data-quality={quality} viewBox="0 0 14 12" width="14" height="12" role="img" aria-label={`Connection ${quality}`}>
      {[0, 1, 2].map((i) => (
        <rect key={i} x={i * 5} y={8 - i * 4} width="3.4" height={4 + i * 4} rx="1" data-lit={i < bars[quality]} />
      ))}
    </svg>
  );
}
