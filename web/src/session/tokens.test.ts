import { describe, expect, it } from 'vitest';
import { newSuffix, slug } from './identity';
import { readClaims } from './tokens';

function token(claims: object): string {
  const bytes = String.fromCharCode(...new TextEncoder().encode(JSON.stringify(claims)));
  return `e30.${btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.sig`;
}

describe('readClaims', () => {
  it('reads whom a token is for', () => {
    expect(readClaims(` ${token({ sub: 'alice-1', name: 'Älice', video: { roomJoin: true, room: 'demo' } })}\n`)).toEqual({
      room: 'demo',
      identity: 'alice-1',
      name: 'Älice',
    });
    expect(readClaims(token({ sub: 'alice-1', video: { room: 'demo' } }))?.name).toBe('alice-1');
  });

  it.each(['', 'x', 'a.b.c', 'a.%%.c', token({}), token({ video: {} }), token({ video: { room: 7 } }), 'e30.bnVsbA.x'])('is undefined for %j', (text) => {
    expect(readClaims(text)).toBeUndefined();
  });
});

describe('identity', () => {
  it.each([
    ['Alice', 'alice'],
    ['  Åsa  Öberg! ', 'asa-oberg'],
    ['李雷', '李雷'],
    ['--', 'guest'],
    ['', 'guest'],
    ['x'.repeat(100), 'x'.repeat(40)],
  ])('of %j begins with %j', (name, want) => {
    expect(slug(name)).toBe(want);
  });

  it('ends in five characters that are easy to read out', () => {
    expect(newSuffix()).toMatch(/^[a-z2-9]{5}$/);
  });
});
