// The topic of reactions: JSON {"emoji": "👍"} as reliable data.
export const reactionTopic = 'rollcall.reaction';

export interface Emoji {
  emoji: string;
  // What a screen reader says.
  name: string;
}

export const emojis: readonly Emoji[] = [
  { emoji: '👍', name: 'thumbs up' },
  { emoji: '👏', name: 'applause' },
  { emoji: '😂', name: 'laughter' },
  { emoji: '❤️', name: 'heart' },
  { emoji: '🎉', name: 'celebration' },
  { emoji: '🤔', name: 'thinking' },
];

export function encodeReaction(emoji: Emoji): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify({ emoji: emoji.emoji }));
}

// decodeReaction is undefined for what is not one of our emojis: anybody may
// send anything.
export function decodeReaction(payload: Uint8Array): Emoji | undefined {
  if (payload.length > 100) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(payload));
    if (typeof value !== 'object' || value === null || !('emoji' in value)) return undefined;
    return emojis.find(({ emoji }) => emoji === value.emoji);
  } catch {
    return undefined;
  }
}

// Reaction is one that floats over the stage now.
export interface Reaction extends Emoji {
  id: number;
  identity: string;
  who: string;
  // Where it rises, in hundredths of the width.
  lane: number;
}

// How long a reaction floats, in milliseconds, and how many do at once.
export const floatsFor = 3600;
export const floating = 24;

const lanes = [12, 30, 21, 42, 16, 35, 26];

// withReaction adds one; the oldest makes room.
export function withReaction(all: readonly Reaction[], reaction: Omit<Reaction, 'id' | 'lane'>): readonly Reaction[] {
  const id = (all.at(-1)?.id ?? 0) + 1;
  return [...all.slice(-(floating - 1)), { ...reaction, id, lane: lanes[id % lanes.length] ?? 50 }];
}
