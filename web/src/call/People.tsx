import { useEffect } from 'react';
import { useIsSpeaking, useParticipantAttribute, useParticipants, useRoomContext } from '@livekit/components-react';
import type { Participant } from 'livekit-client';
import { CamIcon, CamOffIcon, HandIcon, MicIcon, MicOffIcon, ScreenIcon } from '../ui/icons';
import { displayName, initials } from './names';
import { Quality } from './Quality';
import { handAttribute } from './Reactions';
import { useMedia } from './useMedia';

// People lists who is in the room now.
export function People({ hidden, onPresent }: { hidden: boolean; onPresent: (count: number) => void }) {
  const room = useRoomContext();
  const participants = useParticipants({ room });
  useEffect(() => onPresent(participants.length), [participants.length, onPresent]);
  return (
    <div className="people" hidden={hidden}>
      <ul>
        {participants.map((participant) => (
          <Person key={participant.identity || 'me'} participant={participant} />
        ))}
      </ul>
    </div>
  );
}

function Person({ participant }: { participant: Participant }) {
  const speaking = useIsSpeaking(participant);
  const media = useMedia(participant);
  const raised = useParticipantAttribute(handAttribute, { participant }) === 'raised';
  const name = displayName(participant);
  return (
    <li className="person" data-testid="participant-row" data-identity={participant.identity} data-speaking={speaking}>
      <span className="person-mark" aria-hidden="true">
        {initials(name)}
      </span>
      <span className="person-name">
        <strong>
          {name}
          {participant.isLocal && <em> (you)</em>}
        </strong>
        <small>{speaking ? 'speaking' : participant.identity}</small>
      </span>
      <span className="person-state">
        {raised && (
          <span role="img" aria-label="Raised a hand" className="person-hand">
            <HandIcon />
          </span>
        )}
        {media.screen && (
          <span role="img" aria-label="Shares the screen">
            <ScreenIcon />
          </span>
        )}
        <span role="img" aria-label={media.camera ? 'Camera on' : 'Camera off'} data-on={media.camera}>
          {media.camera ? <CamIcon /> : <CamOffIcon />}
        </span>
        <span role="img" aria-label={media.microphone ? 'Microphone on' : 'Microphone off'} data-on={media.microphone}>
          {media.microphone ? <MicIcon /> : <MicOffIcon />}
        </span>
        <Quality participant={participant} />
      </span>
    </li>
  );
}
