import { useTracks, VideoTrack } from '@livekit/components-react';
import { Track } from 'livekit-client';

// Every camera and every shared screen, as long as there is one.
export function Stage() {
  const tracks = useTracks([Track.Source.Camera, Track.Source.ScreenShare]);
  return (
    <section aria-label="Stage">
      {tracks.map((track) => (
        <VideoTrack key={track.publication.trackSid} trackRef={track} title={track.participant.identity} />
      ))}
    </section>
  );
}
