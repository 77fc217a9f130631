import { expect, test } from 'vitest';
import { gauge, mergeNode, niceTop, perSecond, ratio, span, type NodeMessage, type NodeSample } from './series';

const start = Date.parse('2026-01-01T00:00:00Z');
const sample = (seconds: number, packets: number, lost = 0) => ({ at: new Date(start + seconds * 1000).toISOString(), cpu: seconds, in: { packets, lost } }) as NodeSample;
const message = (now: NodeSample, history?: NodeSample[]): NodeMessage => ({ version: 'v', startedAt: '', processors: 2, now, ...(history && { history }) });

test('samples follow the history, each once, and old ones go', () => {
  const node = mergeNode(undefined, [message(sample(11, 3), [sample(5, 1), sample(10, 2)]), message(sample(12, 4))]);
  expect(gauge(node?.samples ?? [], (s) => s.cpu).map((p) => p.value)).toEqual([5, 10, 11, 12]);
  const later = mergeNode(node, [message(sample(span / 1000 + 11, 9))]);
  expect(later?.samples.map((s) => s.cpu)).toEqual([12, span / 1000 + 11]);
  expect(mergeNode(later, [message(sample(3, 1), [sample(1, 0)])])?.samples.map((s) => s.cpu)).toEqual([1, 3]);
});

test('counts become rates and shares', () => {
  const samples = [sample(0, 100), sample(5, 600, 50), sample(6, 700, 50), sample(7, 10, 0)];
  expect(perSecond(samples, (s) => s.in.packets).map((p) => p.value)).toEqual([100, 100, 0]);
  expect(ratio(samples, (s) => s.in.lost, (s) => s.in.packets).map((p) => Number(p.value.toFixed(3)))).toEqual([0.091, 0, 0]);
});

test('the top of a scale is a round number', () => {
  expect([0, 0.7, 1, 3, 21, 180, 999].map((max) => niceTop(max, 1))).toEqual([1, 1, 1, 5, 25, 200, 1000]);
});
