import { describe, expect, it } from 'vitest';
import { decodeReaction, emojis, encodeReaction, floating, withReaction, type Reaction } from './reaction';

describe('reactions', () => {
  it.each(emojis)('carry $name there and back', (emoji) => {
    expect(decodeReaction(encodeReaction(emoji))).toBe(emoji);
  });

  it.each(['', '{}', '[]', 'null', '"👍"', '{"emoji":"<b>"}', '{"emoji":1}', `{"emoji":"${'👍'.repeat(40)}"}`, '{"emoji":'])('are not %j', (text) => {
    expect(decodeReaction(new TextEncoder().encode(text))).toBeUndefined();
  });

  it('are told apart, and no more than fit', () => {
    let all: readonly Reaction[] = [];
    for (let i = 0; i < floating + 9; i++) all = withReaction(all, { emoji: '👍', name: 'thumbs up', identity: 'ana', who: 'Ana' });
    expect(all).toHaveLength(floating);
    expect(new Set(all.map((r) => r.id)).size).toBe(floating);
    expect(all.at(-1)?.id).toBe(floating + 9);
  });
});
