import { useEffect, useState } from 'react';
import { useRoomContext } from '@livekit/components-react';
import { RoomEvent, type Participant } from 'livekit-client';
import { nextSpeaker } from './view';

// useLastSpeaker is the identity of whoever else spoke last.
export function useLastSpeaker(): string | undefined {
  const room = useRoomContext();
  const [speaker, setSpeaker] = useState<string>();
  useEffect(() => {
    const onSpeakers = (speaking: Participant[]) => setSpeaker((before) => nextSpeaker(before, speaking));
    room.on(RoomEvent.ActiveSpeakersChanged, onSpeakers);
    return () => {
      room.off(RoomEvent.ActiveSpeakersChanged, onSpeakers);
    };
  }, [room]);
  return speaker;
}
