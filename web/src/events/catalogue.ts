// What is told of: the room as a whole, or each participant.
export type Scope = 'room' | 'participant';

// An action by which the page itself can bring an event about.
export type Trial = 'reconnect' | 'metadata' | 'attributes' | 'starve' | 'mute' | 'unpublish' | 'unsubscribe';

// Where the reader is, for commands that can be pasted as they are.
export interface Place {
  room: string;
  identity: string;
  // Of the server.
  url: string;
}

export interface ClientEvent {
  name: string;
  // Where SDKs tell of it.
  scopes: readonly Scope[];
  // When it is told.
  when: string;
  // How to see it.
  hint: string;
  trial?: Trial;
  // For what only an administrator may do: the command that does it.
  command?: (place: Place) => string;
}

const room = ['room'] as const;
const both = ['room', 'participant'] as const;

// The client events that are the same in every SDK, in the order of their
// documentation.
export const clientEvents = [
  { name: 'ParticipantConnected', scopes: room, when: 'somebody joined after you', hint: 'Open the room’s link in another tab and join.' },
  { name: 'ParticipantDisconnected', scopes: room, when: 'somebody left', hint: 'Leave in the other tab.' },
  { name: 'Reconnecting', scopes: room, when: 'the connection broke, and another is being made', hint: 'Pull the plug for a moment, or let the page break it.', trial: 'reconnect' },
  { name: 'Reconnected', scopes: room, when: 'the connection is there again', hint: 'Comes after Reconnecting.', trial: 'reconnect' },
  { name: 'Disconnected', scopes: room, when: 'you left, or the room is over', hint: 'Leave. The drawer stays open.' },
  { name: 'TrackPublished', scopes: both, when: 'another published a track after you joined', hint: 'Share the screen in the other tab.' },
  { name: 'TrackUnpublished', scopes: both, when: 'another took a track back', hint: 'Stop sharing in the other tab.' },
  { name: 'TrackSubscribed', scopes: both, when: 'media of another’s track comes in', hint: 'Turn on the camera in the other tab.' },
  { name: 'TrackUnsubscribed', scopes: both, when: 'it comes in no longer', hint: 'In the menu of another’s tile choose “Do not receive”.', trial: 'unsubscribe' },
  { name: 'TrackMuted', scopes: both, when: 'a track, yours or another’s, was muted', hint: 'Turn off the microphone.', trial: 'mute' },
  { name: 'TrackUnmuted', scopes: both, when: 'it was unmuted', hint: 'Turn it on again.', trial: 'mute' },
  { name: 'LocalTrackPublished', scopes: both, when: 'your track reached the server', hint: 'Turn on the microphone or the camera.' },
  { name: 'LocalTrackUnpublished', scopes: both, when: 'your track was taken back', hint: 'Share the screen and stop, or let the page publish the camera anew.', trial: 'unpublish' },
  { name: 'ActiveSpeakersChanged', scopes: room, when: 'who speaks now has changed', hint: 'Say something.' },
  { name: 'IsSpeakingChanged', scopes: ['participant'], when: 'one participant began or ceased to speak', hint: 'Say something.' },
  { name: 'ConnectionQualityChanged', scopes: both, when: 'a connection became better or worse', hint: 'Wait: it comes within seconds of joining.' },
  { name: 'ParticipantAttributesChanged', scopes: both, when: 'a participant’s attributes were changed', hint: 'Raise your hand.', trial: 'attributes' },
  { name: 'ParticipantMetadataChanged', scopes: both, when: 'a participant’s metadata was changed', hint: 'Let the page change yours.', trial: 'metadata' },
  {
    name: 'RoomMetadataChanged',
    scopes: room,
    when: 'the room’s metadata was changed',
    hint: 'By the server API, or where the server runs:',
    command: (at) => `rollcall room set ${quoted(at.room)} ${server(at)} --metadata '{"topic":"plans"}'`,
  },
  { name: 'DataReceived', scopes: both, when: 'data came from another or the server', hint: 'React with an emoji in the other tab.' },
  { name: 'TrackStreamStateChanged', scopes: both, when: 'video pauses for lack of bandwidth, or goes on', hint: 'Let the server act as if your line were narrow for some seconds, while another’s camera is on.', trial: 'starve' },
  { name: 'TrackSubscriptionPermissionChanged', scopes: both, when: 'another forbids or allows you to receive a track', hint: 'In the other tab’s settings switch off “Others may receive me”.' },
  {
    name: 'ParticipantPermissionsChanged',
    scopes: both,
    when: 'what a participant may do was changed',
    hint: 'By the server API, or where the server runs:',
    command: (at) => `rollcall participant update ${quoted(at.room)} ${quoted(at.identity)} ${server(at)} --can-update-own-metadata=false`,
  },
] as const satisfies readonly ClientEvent[];

export type ClientEventName = (typeof clientEvents)[number]['name'];

// server is what leads the command line to a server in development mode.
function server({ url }: Place): string {
  return url === 'http://localhost:7880' ? '--dev' : `--dev --url ${quoted(url)}`;
}

// quoted is a word for a shell.
export function quoted(word: string): string {
  return /^[\w.@:/-]+$/.test(word) && !word.startsWith('-') ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
