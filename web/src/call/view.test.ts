import { describe, expect, it } from 'vitest';
import { arrange, nextSpeaker, seatKey, type Seat } from './view';

const seat = (identity: string, more: Partial<Seat> = {}): Seat => ({
  key: seatKey(identity, more.screen ?? false),
  identity,
  local: identity === 'me',
  screen: false,
  ...more,
});

const all = [seat('me'), seat('ana'), seat('ben')];
const shared = [...all, seat('ben', { screen: true })];

describe('arrange', () => {
  it.each([
    ['a grid of all', all, 'grid', undefined, 'ana', [], ['me/camera', 'ana/camera', 'ben/camera']],
    ['every screen large in the grid', shared, 'grid', undefined, 'ana', ['ben/screen'], ['me/camera', 'ana/camera', 'ben/camera']],
    ['who spoke last', all, 'speaker', undefined, 'ben', ['ben/camera'], ['me/camera', 'ana/camera']],
    ['another when nobody spoke', all, 'speaker', undefined, undefined, ['ana/camera'], ['me/camera', 'ben/camera']],
    ['another when the speaker is gone', all, 'speaker', undefined, 'zoe', ['ana/camera'], ['me/camera', 'ben/camera']],
    ['a screen before who speaks', shared, 'speaker', undefined, 'ana', ['ben/screen'], ['me/camera', 'ana/camera', 'ben/camera']],
    ['oneself when alone', [seat('me')], 'speaker', undefined, undefined, ['me/camera'], []],
    ['what is pinned before all, in the grid too', shared, 'grid', 'ana/camera', 'ben', ['ana/camera'], ['me/camera', 'ben/camera', 'ben/screen']],
    ['as if nothing were pinned once it is gone', all, 'grid', 'zoe/camera', 'ben', [], ['me/camera', 'ana/camera', 'ben/camera']],
    ['nobody', [], 'speaker', undefined, undefined, [], []],
  ] as const)('shows %s', (_, seats, mode, pinned, speaker, large, rest) => {
    expect(arrange(seats, mode, pinned, speaker)).toEqual({ large, rest });
  });
});

describe('nextSpeaker', () => {
  const p = (identity: string) => ({ identity, isLocal: identity === 'me' });
  it.each([
    ['the loudest other', undefined, ['me', 'ana', 'ben'], 'ana'],
    ['whoever has the picture and goes on speaking', 'ben', ['ana', 'ben'], 'ben'],
    ['whoever spoke last, in silence', 'ben', [], 'ben'],
    ['nobody for one’s own voice', undefined, ['me'], undefined],
  ])('is %s', (_, before, speaking, want) => {
    expect(nextSpeaker(before, speaking.map(p))).toBe(want);
  });
});
