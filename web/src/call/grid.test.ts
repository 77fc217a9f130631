import { describe, expect, it } from 'vitest';
import { bestGrid } from './grid';
import { initials } from './names';

describe('bestGrid', () => {
  it.each([
    [1, 1000, 600, 1],
    [2, 1000, 600, 2],
    [2, 380, 600, 1],
    [4, 1000, 600, 2],
    [5, 1000, 600, 3],
    [9, 1000, 600, 3],
  ])('lays %i tiles in %ix%i in %i columns', (count, width, height, columns) => {
    expect(bestGrid(count, width, height, 10, 150).columns).toBe(columns);
  });

  it('never lays tiles wider or higher than the box, while they fit', () => {
    for (let count = 1; count <= 12; count++) {
      const grid = bestGrid(count, 1000, 700, 10, 150);
      const lines = Math.ceil(count / grid.columns);
      expect(grid.width * grid.columns + 10 * (grid.columns - 1)).toBeLessThanOrEqual(1000);
      expect(grid.height * lines + 10 * (lines - 1)).toBeLessThanOrEqual(700);
    }
  });

  it('keeps a crowd readable and lets the box scroll', () => {
    const grid = bestGrid(40, 360, 500, 10, 150);
    expect(grid.columns).toBe(2);
    expect(grid.width).toBe(175);
  });

  it('is empty in a box without size', () => {
    expect(bestGrid(2, 0, 0, 10, 150)).toEqual({ columns: 1, width: 0, height: 0 });
  });
});

describe('initials', () => {
  it.each([
    ['Alice', 'A'],
    ['alice cooper', 'AC'],
    ['Ada B. Lovelace', 'AL'],
    ['😀 smile', '😀S'],
    ['', ''],
  ])('of %j are %j', (name, want) => {
    expect(initials(name)).toBe(want);
  });
});
