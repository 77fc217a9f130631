import { useEffect, useState } from 'react';
import { LocalVideoTrack, RemoteVideoTrack, type TrackPublication } from 'livekit-client';
import { readInbound, readOutbound, reception, sent, type Reading, type Reception, type Sent } from './reception';

const every = 1000;

export interface Flow {
  received?: Reception;
  sent?: readonly Sent[];
}

// useFlow reads each second what comes in or goes out of a video publication,
// while active.
export function useFlow(publication: TrackPublication | undefined, active: boolean): Flow {
  const [flow, setFlow] = useState<Flow>({});
  const track = publication?.track;
  useEffect(() => {
    setFlow({});
    if (!active || !publication) return;
    let over = false;
    let timer: ReturnType<typeof setTimeout>;
    let before: Reading | undefined;
    let stuck = 0;
    let layers: ReturnType<typeof readOutbound> = new Map();
    const read = async () => {
      try {
        if (track instanceof RemoteVideoTrack) {
          const report = await track.getRTCStatsReport();
          const now = report && readInbound(report.values());
          if (now && !over) {
            const received = reception(before, now, publication.trackInfo?.layers ?? [], stuck);
            ({ stuck } = received);
            before = now;
            setFlow({ received });
          }
        } else if (track instanceof LocalVideoTrack) {
          const report = await track.getRTCStatsReport();
          if (report && !over) {
            const now = readOutbound(report.values());
            setFlow({ sent: sent(layers, now) });
            layers = now;
          }
        }
      } catch {
        // A connection that is being replaced has no statistics for a moment.
      }
      if (!over) timer = setTimeout(() => void read(), every);
    };
    void read();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [publication, track, active]);
  return flow;
}
