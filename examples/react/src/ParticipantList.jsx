import {
  ConnectionQualityIndicator, ParticipantLoop, ParticipantName, useIsMuted, useIsSpeaking, useParticipantContext, useParticipants,
} from '@livekit/components-react';
import { Track } from 'livekit-client';

// Everybody in the room, oneself too.
export function ParticipantList() {
  const participants = useParticipants();
  return (
    <ul aria-label="People">
      <ParticipantLoop participants={participants}>
        <Person />
      </ParticipantLoop>
    </ul>
  );
}

// ParticipantLoop says whose line it is.
function Person() {
  const participant = useParticipantContext();
  const speaking = useIsSpeaking(participant);
  const muted = useIsMuted({ participant, source: Track.Source.Microphone });
  return (
    <li>
      <ParticipantName /> <ConnectionQualityIndicator /> {muted ? 'muted' : speaking && 'speaks'}
    </li>
  );
}
