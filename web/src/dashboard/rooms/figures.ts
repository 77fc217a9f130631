// What GET /stats/rooms sends; see docs/openapi.yaml.

export interface RoomLine {
  name: string;
  sid: string;
  createdAt: string;
  participants: number;
  publishers: number;
  tracks: number;
  subscriptions: number;
  speakers: number;
  poor: number;
  recording: boolean;
  // Bits per second.
  bitrateIn: number;
  bitrateOut: number;
}

export interface RoomsMessage {
  at: string;
  full: boolean;
  rooms: RoomLine[];
  gone: string[];
}

export type Lines = ReadonlyMap<string, RoomLine>;

// mergeLines applies messages to the rooms that are known, by sid. Lines that did
// not change stay the same objects.
export function mergeLines(known: Lines, messages: readonly RoomsMessage[]): Lines {
  const lines = new Map(known);
  for (const message of messages) {
    if (message.full) lines.clear();
    for (const sid of message.gone) lines.delete(sid);
    for (const line of message.rooms) lines.set(line.sid, line);
  }
  return lines;
}
