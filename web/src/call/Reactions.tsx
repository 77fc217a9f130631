import { useCallback, useEffect, useRef, useState } from 'react';
import { useLocalParticipantPermissions, useParticipantAttribute, useRoomContext } from '@livekit/components-react';
import { RoomEvent, type Participant, type RemoteParticipant } from 'livekit-client';
import { HandIcon, SmileIcon } from '../ui/icons';
import { Popover } from '../ui/Popover';
import { displayName } from './names';
import { decodeReaction, emojis, encodeReaction, floatsFor, reactionTopic, withReaction, type Emoji, type Reaction } from './reaction';

// The attribute that tells of a raised hand; empty when it is down.
export const handAttribute = 'hand';

export interface Reactions {
  all: readonly Reaction[];
  send: (emoji: Emoji) => void;
}

// useReactions sends and takes in reactions of the room.
export function useReactions(): Reactions {
  const room = useRoomContext();
  const [all, setAll] = useState<readonly Reaction[]>([]);
  const timers = useRef(new Set<ReturnType<typeof setTimeout>>());

  const show = useCallback((emoji: Emoji, from: Participant) => {
    setAll((now) => withReaction(now, { ...emoji, identity: from.identity, who: displayName(from) }));
    const timer = setTimeout(() => {
      timers.current.delete(timer);
      setAll((now) => now.slice(1));
    }, floatsFor);
    timers.current.add(timer);
  }, []);

  useEffect(() => {
    const onData = (payload: Uint8Array, from?: RemoteParticipant, _?: unknown, topic?: string) => {
      const emoji = topic === reactionTopic && from ? decodeReaction(payload) : undefined;
      if (emoji && from) show(emoji, from);
    };
    const running = timers.current;
    room.on(RoomEvent.DataReceived, onData);
    return () => {
      room.off(RoomEvent.DataReceived, onData);
      running.forEach(clearTimeout);
      running.clear();
    };
  }, [room, show]);

  const send = useCallback(
    (emoji: Emoji) => {
      show(emoji, room.localParticipant);
      // Reactions are for the moment: one that could not be sent is not sent later.
      room.localParticipant.publishData(encodeReaction(emoji), { reliable: true, topic: reactionTopic }).catch(() => undefined);
    },
    [room, show],
  );
  return { all, send };
}

// FloatingReactions lets them rise over the stage, and says them.
export function FloatingReactions({ all }: { all: readonly Reaction[] }) {
  const newest = all.at(-1);
  return (
    <>
      <div className="floating" aria-hidden="true">
        {all.map((reaction) => (
          <span key={reaction.id} className="reaction" data-testid="reaction" data-emoji={reaction.emoji} data-identity={reaction.identity} style={{ left: `${reaction.lane}%` }}>
            <i>{reaction.emoji}</i>
            <b>{reaction.who}</b>
          </span>
        ))}
      </div>
      <p className="unseen" role="status">
        {newest && `${newest.who}: ${newest.name}`}
      </p>
    </>
  );
}

// ReactionButton opens the emojis, and the hand to raise.
export function ReactionButton({ send }: { send: Reactions['send'] }) {
  const room = useRoomContext();
  const permissions = useLocalParticipantPermissions();
  const raised = useParticipantAttribute(handAttribute, { participant: room.localParticipant }) === 'raised';
  return (
    <Popover label="React" className="control icon-control" icon={<SmileIcon />} testid="react" panelClassName="reactions">
      {(close) => (
        <>
          <div className="emojis">
            {emojis.map((emoji) => (
              <button key={emoji.emoji} type="button" className="emoji" aria-label={emoji.name} title={emoji.name} data-testid="emoji" data-emoji={emoji.emoji} onClick={() => send(emoji)}>
                {emoji.emoji}
              </button>
            ))}
          </div>
          {permissions?.canUpdateMetadata && (
            <button
              type="button"
              className="button small"
              aria-pressed={raised}
              data-testid="raise-hand"
              onClick={() => {
                room.localParticipant.setAttributes({ [handAttribute]: raised ? '' : 'raised' }).catch(() => undefined);
                close();
              }}
            >
              <HandIcon />
              {raised ? 'Lower your hand' : 'Raise your hand'}
            </button>
          )}
        </>
      )}
    </Popover>
  );
}
