// Seat is one picture that the stage can show.
export interface Seat {
  key: string;
  identity: string;
  local: boolean;
  screen: boolean;
}

export type ViewMode = 'grid' | 'speaker';

// Arrangement is where the seats go: the large ones, and the rest, which is a
// strip under the large ones, or the grid when there are none. Keys of seats.
export interface Arrangement {
  large: readonly string[];
  rest: readonly string[];
}

export function seatKey(identity: string, screen: boolean): string {
  return `${identity}/${screen ? 'screen' : 'camera'}`;
}

// arrange puts what is pinned first; then, in speaker view, a shared screen or
// whoever spoke last; and in the grid every shared screen. speaker is the
// identity of who spoke last, if anybody did.
export function arrange(seats: readonly Seat[], mode: ViewMode, pinned: string | undefined, speaker: string | undefined): Arrangement {
  const large = largeSeats(seats, mode, pinned, speaker).map((seat) => seat.key);
  return { large, rest: seats.map((seat) => seat.key).filter((key) => !large.includes(key)) };
}

function largeSeats(seats: readonly Seat[], mode: ViewMode, pinned: string | undefined, speaker: string | undefined): readonly Seat[] {
  const pin = seats.find((seat) => seat.key === pinned);
  if (pin) return [pin];
  const screens = seats.filter((seat) => seat.screen);
  if (mode === 'grid') return screens;
  const [screen] = screens;
  if (screen) return [screen];
  const speaks = seats.find((seat) => !seat.screen && seat.identity === speaker);
  const one = speaks ?? seats.find((seat) => !seat.local) ?? seats[0];
  return one ? [one] : [];
}

// nextSpeaker is who has the large picture: of those who speak, loudest first,
// whoever has it already keeps it; oneself does not get it.
export function nextSpeaker(before: string | undefined, speaking: readonly { identity: string; isLocal: boolean }[]): string | undefined {
  const others = speaking.filter((p) => !p.isLocal);
  if (others.some((p) => p.identity === before)) return before;
  return others[0]?.identity ?? before;
}
