import { expect, test } from 'vitest';
import { box, boxes, move, place, shortest, tickLabel, ticks, zoom } from './scale';

const noon = new Date(2026, 10, 27, 12, 0, 0).getTime();
const whole = { from: noon, to: noon + 3_600_000 };

test('ticks are round times, as many as there is room for', () => {
  const marks = ticks(whole, 900);
  expect(marks.map((at) => tickLabel(at, whole, 900))).toEqual(['12:00', '12:10', '12:20', '12:30', '12:40', '12:50', '13:00']);
  const near = { from: noon + 1500, to: noon + 21_500 };
  expect(ticks(near, 450).map((at) => tickLabel(at, near, 450))).toEqual(['12:00:05', '12:00:10', '12:00:15', '12:00:20']);
  for (let length = 1000; length < 1e10; length *= 3) {
    const view = { from: noon + 777, to: noon + 777 + length };
    const got = ticks(view, 800);
    expect(got.length).toBeLessThanOrEqual(9);
    for (const at of got) expect(at).toBeGreaterThanOrEqual(view.from);
  }
});

test('a box is cut at the edges, is seen however short, and is none outside', () => {
  expect(place(noon + 1_800_000, whole, 100)).toBe(50);
  expect(box(noon, noon + 1_800_000, whole, 100)).toEqual({ x: 0, width: 50 });
  expect(box(noon - 9e9, noon + 9e9, whole, 100)).toEqual({ x: -2, width: 104 });
  expect(box(noon + 10, noon + 11, whole, 100)?.width).toBe(1.5);
  expect(box(noon - 20, noon - 10, whole, 100)).toBeUndefined();
  expect(box(noon + 9e9, noon + 9e9, whole, 100)).toBeUndefined();
});

test('zooming keeps the time under the pointer and stays within the whole', () => {
  const near = zoom(whole, whole, 4, noon + 1_800_000);
  expect(near).toEqual({ from: noon + 1_350_000, to: noon + 2_250_000 });
  expect(zoom(near, whole, 1 / 8)).toEqual(whole);
  expect(zoom(whole, whole, 2, noon)).toEqual({ from: noon, to: noon + 1_800_000 });
  const least = zoom(whole, whole, 1e9);
  expect(least.to - least.from).toBe(shortest);
  expect(move(near, whole, 0.5)).toEqual({ from: noon + 1_800_000, to: noon + 2_700_000 });
  expect(move(near, whole, 99)).toEqual({ from: noon + 2_700_000, to: noon + 3_600_000 });
  expect(move(near, whole, -99)).toEqual({ from: noon, to: noon + 900_000 });
});

test('spans that touch on the screen are drawn as one', () => {
  const spans = Array.from({ length: 10_000 }, (_, i) => ({ from: noon + i * 360, to: noon + i * 360 + 100 }));
  expect(boxes(spans, noon, whole, 500)).toHaveLength(1);
  expect(boxes([{ from: noon, to: noon + 360_000 }, { from: noon + 1_800_000, to: undefined }], noon + 3_600_000, whole, 100)).toEqual([
    { x: 0, width: 10 },
    { x: 50, width: 50 },
  ]);
  const near = { from: noon, to: noon + 3600 };
  expect(boxes(spans, noon, near, 500).length).toBe(11);
});
