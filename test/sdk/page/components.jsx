// A call as an application writes it with LiveKit's React components: what they
// render is what the test looks at.

import { createRoot } from 'react-dom/client';
import {
  ConnectionState, LiveKitRoom, RoomAudioRenderer, RoomName, useConnectionQualityIndicator, useIsSpeaking,
  useParticipantAttributes, useParticipantInfo, useParticipants, useTracks, VideoTrack,
} from '@livekit/components-react';
import { Track } from 'livekit-client';

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

function Call() {
  const participants = useParticipants();
  const cameras = useTracks([Track.Source.Camera]);
  return (
    <>
      <h1><RoomName /></h1>
      <ConnectionState id="state" />
      <ul>{participants.map((p) => <Person key={p.identity} participant={p} />)}</ul>
      {cameras.map((ref) => (
        <VideoTrack key={ref.publication.trackSid} trackRef={ref} data-of={ref.participant.identity} />
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
