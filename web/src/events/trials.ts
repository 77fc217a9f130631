import { RemoteTrackPublication, Track, type Room } from 'livekit-client';
import type { Trial } from './catalogue';

export const trialText: Record<Trial, string> = {
  reconnect: 'Break the connection',
  metadata: 'Change my metadata',
  attributes: 'Change my attributes',
  starve: 'Narrow my line for 8 s',
  mute: 'Mute and unmute',
  unpublish: 'Publish the camera anew',
  unsubscribe: 'Take a picture off and on',
};

// How long the server acts as if the line were narrow, in milliseconds.
const narrowFor = 8000;
const pause = 1200;

// canTry tells whether the room is such that the trial can do anything.
export function canTry(trial: Trial, room: Room): boolean {
  const me = room.localParticipant;
  switch (trial) {
    case 'metadata':
    case 'attributes':
      return me.permissions?.canUpdateMetadata === true;
    case 'mute':
      return me.isMicrophoneEnabled || me.isCameraEnabled;
    case 'unpublish':
      return me.isCameraEnabled;
    case 'starve':
    case 'unsubscribe':
      return othersVideo(room) !== undefined;
    case 'reconnect':
      return true;
  }
}

// runTrial brings an event about by its real cause.
export async function runTrial(trial: Trial, room: Room): Promise<void> {
  const me = room.localParticipant;
  switch (trial) {
    case 'reconnect':
      return room.simulateScenario('full-reconnect');
    case 'metadata':
      return me.setMetadata(JSON.stringify({ changed: new Date().toISOString() }));
    case 'attributes':
      return me.setAttributes({ tried: new Date().toISOString() });
    case 'mute': {
      const publication = me.getTrackPublication(me.isMicrophoneEnabled ? Track.Source.Microphone : Track.Source.Camera);
      await publication?.mute();
      await waited(pause);
      await publication?.unmute();
      return;
    }
    case 'unpublish': {
      const track = me.getTrackPublication(Track.Source.Camera)?.track;
      if (!track) return;
      await me.unpublishTrack(track);
      await me.setCameraEnabled(true);
      return;
    }
    case 'unsubscribe': {
      const publication = othersVideo(room);
      publication?.setSubscribed(false);
      await waited(pause);
      publication?.setSubscribed(true);
      return;
    }
    case 'starve':
      await room.simulateScenario('subscriber-bandwidth', 10_000);
      await waited(narrowFor);
      await room.simulateScenario('subscriber-bandwidth', 0);
  }
}

function othersVideo(room: Room): RemoteTrackPublication | undefined {
  for (const participant of room.remoteParticipants.values()) {
    for (const publication of participant.videoTrackPublications.values()) {
      if (publication instanceof RemoteTrackPublication && publication.isSubscribed) return publication;
    }
  }
  return undefined;
}

function waited(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
