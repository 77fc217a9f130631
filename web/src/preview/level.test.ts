import { describe, expect, it } from 'vitest';
import { blockedHelp } from './blocked';
import { falling, level } from './level';
import { listed } from './useDevices';

const sine = (amplitude: number) => Float32Array.from({ length: 480 }, (_, i) => amplitude * Math.sin(i / 7));

describe('level', () => {
  it('is empty in silence and full with a shout', () => {
    expect(level(new Float32Array(480))).toBe(0);
    expect(level(new Float32Array(0))).toBe(0);
    expect(level(sine(1))).toBe(1);
  });
  it('rises by the same for each doubling', () => {
    const [a, b, c] = [level(sine(0.02)), level(sine(0.04)), level(sine(0.08))];
    expect(b - a).toBeCloseTo(c - b, 5);
    expect(b).toBeGreaterThan(a);
  });
  it('falls slowly and rises at once', () => {
    expect(falling(1, 0, 90)).toBeCloseTo(0.9);
    expect(falling(0.2, 0.8, 10)).toBe(0.8);
  });
});

it.each([
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'crossed-out'],
  ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1', 'aA'],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15', 'menu Safari'],
  ['Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36', 'Permissions'],
  ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36', 'left of the address'],
])('the help for %s names its place', (agent, want) => {
  expect(blockedHelp(agent)).toContain(want);
});

it('lists devices that can be chosen, and names those without a name', () => {
  const device = (kind: MediaDeviceKind, deviceId: string, label = '') => ({ kind, deviceId, label });
  const all = [device('videoinput', ''), device('audioinput', 'a', 'Desk'), device('videoinput', 'v1'), device('videoinput', 'v2', 'Front')];
  expect(listed(all, 'videoinput')).toEqual([
    { id: 'v1', label: 'Camera 1' },
    { id: 'v2', label: 'Front' },
  ]);
});
