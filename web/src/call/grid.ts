export interface Grid {
  columns: number;
  // Size of a tile in pixels.
  width: number;
  height: number;
}

const aspect = 16 / 9;

// bestGrid chooses the number of columns that gives count tiles the most room
// in a box of the given size. Tiles keep between 4:3 and 16:9 and are never
// narrower than minWidth; then the box scrolls.
export function bestGrid(count: number, width: number, height: number, gap: number, minWidth: number): Grid {
  let best: Grid = { columns: 1, width: 0, height: 0 };
  if (count < 1 || width <= 0 || height <= 0) return best;
  const most = Math.max(1, Math.floor((width + gap) / (minWidth + gap)));
  for (let columns = 1; columns <= Math.min(count, most); columns++) {
    const lines = Math.ceil(count / columns);
    const cellWidth = (width - gap * (columns - 1)) / columns;
    const cellHeight = (height - gap * (lines - 1)) / lines;
    // A cell taller than 3:4 is not filled: a face needs no more.
    const tileHeight = Math.min(cellHeight, cellWidth * (3 / 4));
    const tileWidth = Math.min(cellWidth, Math.max(tileHeight, 0) * aspect);
    if (tileWidth * tileHeight > best.width * best.height) {
      best = { columns, width: Math.floor(tileWidth), height: Math.floor(tileHeight) };
    }
  }
  if (best.width < Math.min(minWidth, width)) {
    const columns = Math.min(count, most);
    const tileWidth = Math.floor((width - gap * (columns - 1)) / columns);
    best = { columns, width: tileWidth, height: Math.floor(tileWidth / aspect) };
  }
  return best;
}
