// A time that ffmpeg paints into pictures, and a page reads where it sees them: how long
// they were on their way.

const bits = 16;
const wide = 20; // pixels of a bit
const size = { width: bits * wide, height: 180 }; // of the pictures
const top = 160; // where bits are

/**
 * A filter of ffmpeg that paints the milliseconds of the clock as a row of bits below,
 * white for 1, into pictures 320 wide and 180 high. It is Gray code, for bits are painted
 * one after the other: of a clock that goes on meanwhile one bit changes.
 */
export const stamping = Array.from({ length: bits }, (_, bit) =>
  `drawbox=x=${bit * wide}:y=${top}:w=${wide}:h=${size.height - top}:c=white:t=fill:` +
  `enable='mod(floor((mod(time(0)*1000,${2 ** bits})+${2 ** bit})/${2 ** (bit + 1)}),2)'`).join(',');

/** Watches the first video for so many milliseconds: how long each picture took from there to being shown, in milliseconds. */
export function delays(page, ms) {
  return page.evaluate(async ({ ms, bits, wide, width, height, row }) => {
    const video = document.querySelector('video');
    const paint = new OffscreenCanvas(width, 1).getContext('2d', { willReadFrequently: true });
    const all = [];
    let watching = true;
    const look = (_, meta) => {
      if (!watching) return;
      paint.drawImage(video, 0, (row / height) * video.videoHeight, video.videoWidth, 1, 0, 0, width, 1);
      const { data } = paint.getImageData(0, 0, width, 1);
      let stamp = 0;
      for (let bit = bits - 1, last = 0; bit >= 0; bit--) {
        last ^= data[(bit * wide + wide / 2) * 4] > 128 ? 1 : 0;
        stamp |= last << bit;
      }
      const passed = (performance.timeOrigin + meta.presentationTime - stamp) % 2 ** bits;
      all.push(passed < 0 ? passed + 2 ** bits : passed);
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    await new Promise((done) => { setTimeout(done, ms); });
    watching = false;
    return all;
  }, { ms, bits, wide, ...size, row: (top + size.height) / 2 });
}

/** Of numbers that from which on so large a part of them is not larger; 0.5 is the median. */
export function quantile(numbers, part) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)];
}
