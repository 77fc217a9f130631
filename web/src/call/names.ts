import type { Participant } from 'livekit-client';

export function displayName(participant: Participant): string {
  return participant.name || participant.identity;
}

// initials are the one or two letters that stand for someone without a picture.
export function initials(name: string): string {
  const words = name.trim().split(/[\s_.-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => Array.from(word ?? '')[0] ?? '').join('').toLocaleUpperCase();
}
