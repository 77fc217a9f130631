import { useCallback, useSyncExternalStore } from 'react';
import { ParticipantEvent, type Participant } from 'livekit-client';

export interface Media {
  microphone: boolean;
  camera: boolean;
  screen: boolean;
}

const events = [
  ParticipantEvent.TrackPublished,
  ParticipantEvent.TrackUnpublished,
  ParticipantEvent.LocalTrackPublished,
  ParticipantEvent.LocalTrackUnpublished,
  ParticipantEvent.TrackMuted,
  ParticipantEvent.TrackUnmuted,
] as const;

// useMedia tells what a participant sends now: published, and not muted.
export function useMedia(participant: Participant): Media {
  const subscribe = useCallback(
    (onChange: () => void) => {
      for (const event of events) participant.on(event, onChange);
      return () => {
        for (const event of events) participant.off(event, onChange);
      };
    },
    [participant],
  );
  const bits = useSyncExternalStore(
    subscribe,
    () =>
      (participant.isMicrophoneEnabled ? 1 : 0) |
      (participant.isCameraEnabled ? 2 : 0) |
      (participant.isScreenShareEnabled ? 4 : 0),
  );
  return { microphone: (bits & 1) !== 0, camera: (bits & 2) !== 0, screen: (bits & 4) !== 0 };
}
