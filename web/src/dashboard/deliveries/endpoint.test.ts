import { expect, test } from 'vitest';
import { byEvent, fateOf, outcome, stateOf, successRate, summaryOf, type Attempt, type Endpoint, type Status, type Verdict } from './endpoint';

const attempt = (seq: number, number: number, over: Partial<Attempt> = {}): Attempt => ({
  at: '2026-11-27T10:00:00Z', seq, number, latencyMs: 1, delivered: over.status === 200, ...over,
});

test('attempts are gathered by event, the one that was tried last first', () => {
  const tried = byEvent([
    attempt(7, 3, { status: 200 }),
    attempt(9, 1, { status: 503 }),
    attempt(7, 2, { status: 503 }),
    attempt(6, 1, { first: 5, status: 200 }),
    attempt(7, 1, { error: 'connection refused' }),
    attempt(6, 1, { status: 200 }),
  ]);
  expect(tried.map(({ first, seq, attempts }) => [first, seq, attempts.map((a) => a.number)])).toEqual([
    [undefined, 7, [3, 2, 1]],
    [undefined, 9, [1]],
    [5, 6, [1]],
    [undefined, 6, [1]],
  ]);
  expect(byEvent([])).toEqual([]);
});

test('an outcome is the status with its name, or the error', () => {
  expect([attempt(1, 1, { status: 503 }), attempt(1, 1, { status: 299 }), attempt(1, 1, { error: 'connection refused' }), attempt(1, 1)].map(outcome)).toEqual([
    '503 Service Unavailable', '299', 'connection refused', 'no answer',
  ]);
});

test('states and rates are told of what was tried', () => {
  const status = { state: 'down', attempts: 4, successes: 3 } as Status;
  const endpoint = { status } as Endpoint;
  expect([stateOf(endpoint).label, stateOf(endpoint).tone, stateOf({} as Endpoint).label]).toEqual(['Down', 'bad', 'Starting']);
  expect([successRate(status), successRate({ ...status, attempts: 0 }), successRate(undefined)]).toEqual([0.75, undefined, undefined]);
});

test('everything is delivered when nothing waits and nothing was given up', () => {
  const endpoint = (over: Partial<Status>) => ({ status: { state: 'up', lag: 0, deadLetters: 0, ...over } as Status }) as Endpoint;
  expect(summaryOf([endpoint({})])).toBe('1 endpoint, everything is delivered');
  expect(summaryOf([endpoint({ state: 'paused' }), {} as Endpoint])).toBe('2 endpoints, everything is delivered');
  expect(summaryOf([endpoint({ state: 'down', lag: 3 }), endpoint({ lag: 1 })])).toBe('2 endpoints, 1 in trouble, 4 events wait');
  expect(summaryOf([endpoint({ deadLetters: 2 })])).toBe('1 endpoint, 2 dead letters');
});

test('a fate is a word; a head that was refused is not merely being sent', () => {
  const verdict = (fate: Verdict['fate'], attempts: Attempt[] = []): Verdict => ({ endpoint: 'a', url: '', fate, because: '', attempts });
  expect(fateOf(verdict('delivered'))).toEqual({ tone: 'good', label: 'Delivered' });
  expect(fateOf(verdict('pending')).label).toBe('Being sent');
  expect(fateOf(verdict('pending', [attempt(1, 1, { status: 500 })]))).toEqual({ tone: 'bad', label: 'Refused so far' });
  expect(fateOf(verdict('filtered')).tone).toBe('plain');
});
