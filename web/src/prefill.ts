// Prefill is what the address of the page asks for: /?room=demo&name=Alice&join=1
export interface Prefill {
  room: string;
  name: string;
  // Join at once.
  join: boolean;
  // Turn on when joining; mic=0 and cam=0 say no.
  microphone: boolean;
  camera: boolean;
}

export const defaultRoom = 'demo';

export function readPrefill(search: string): Prefill {
  const query = new URLSearchParams(search);
  return {
    room: query.get('room')?.trim() || defaultRoom,
    name: query.get('name')?.trim() ?? '',
    join: query.get('join') === '1',
    microphone: query.get('mic') !== '0',
    camera: query.get('cam') !== '0',
  };
}

// roomLink is the address that leads others to the room, and nothing else of mine.
export function roomLink(origin: string, room: string): string {
  return `${origin}/?${new URLSearchParams({ room })}`;
}
