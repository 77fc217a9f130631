import { useState } from 'react';
import { ConnectionStateToast, LiveKitRoom, RoomAudioRenderer, StartAudio } from '@livekit/components-react';
import { ParticipantList } from './ParticipantList.jsx';
import { Stage } from './Stage.jsx';

// The room: joined when it is shown, left when it is gone. What is below it may use
// the hooks; they find the room by themselves.
export function Call({ serverUrl, token }) {
  const [over, setOver] = useState();
  if (over !== undefined) return <p role="status">The call is over: {over}</p>;
  return (
    <LiveKitRoom serverUrl={serverUrl} token={token} connect audio video
      options={{ adaptiveStream: true, dynacast: true }}
      onDisconnected={(reason) => setOver(String(reason ?? ''))}>
      <Stage />
      <ParticipantList />
      <RoomAudioRenderer />
      <StartAudio label="Let me hear them" />
      <ConnectionStateToast />
    </LiveKitRoom>
  );
}
