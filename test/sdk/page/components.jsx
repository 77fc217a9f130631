// A call as an application writes it with LiveKit's React components: what they
// render is what the test looks at.

import { createRoot } from 'react-dom/client';
import {
  ConnectionState, LiveKitRoom, RoomAudioRenderer, RoomName, useConnectionQualityIndicator, useConnectionState, useIsSpeaking,
  useParticipantAttributes, useParticipantInfo, useParticipants, useRoomContext, useTracks, VideoTrack,
} from '@livekit/components-react';
import { Track } from 'livekit-client';
import { useEffect } from 'react';

function Person({ participant }) {
  const { name, metadata } = useParticipantInfo({ participant });
  const { attributes } = useParticipantAttributes({ participant });
  const { quality } = useConnectionQualityIndicator({ participant });
  const speaking = useIsSpeaking(participant);
  return (
    <li id={participant.identity} data-name={name} data-metadata={metadata} data-seat={attributes?.seat}
      data-speaking={speaking} data-quality={quality} data-microphone={participant.isMicrophoneEnabled} />
  );
}

window.states = []; // of the connection, in order

function Call() {
  const participants = useParticipants();
  const pictures = useTracks([Track.Source.Camera, Track.Source.ScreenShare]);
  const state = useConnectionState();
  window.room = useRoomContext();
  useEffect(() => { window.states.push(state); }, [state]);
  return (
    <>
      <h1><RoomName /></h1>
      <ConnectionState id="state" />
      <ul>{participants.map((p) => <Person key={p.identity} participant={p} />)}</ul>
      {pictures.map((ref) => (
        <VideoTrack key={ref.publication.trackSid} trackRef={ref} data-of={ref.participant.identity} data-source={ref.source} />
      ))}
      <RoomAudioRenderer />
    </>
  );
}

const root = createRoot(document.getElementById('call'));

window.enter = (serverUrl, token) => root.render(
  <LiveKitRoom serverUrl={serverUrl} token={token} connect video={false} audio={false}
    onDisconnected={() => { document.body.dataset.over = 'yes'; }}>
    <Call />
  </LiveKitRoom>,
);
window.ready = true;
