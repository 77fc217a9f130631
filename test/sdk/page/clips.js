// Records two short clips with the browser's own encoders, for the Go
// participant, which can send encoded frames but cannot encode.

/** Two seconds of a moving picture, as VP8 in IVF (base64). */
window.videoClip = async () => {
  const [width, height, rate] = [320, 180, 15];
  const chunks = [];
  const encoder = new VideoEncoder({
    output: (chunk) => chunks.push(chunk),
    error: (error) => { throw error; },
  });
  encoder.configure({ codec: 'vp8', width, height, bitrate: 300_000, framerate: rate, latencyMode: 'realtime' });
  const canvas = new OffscreenCanvas(width, height);
  const draw = canvas.getContext('2d');
  for (let i = 0; i < 2 * rate; i++) {
    draw.fillStyle = `hsl(${i * 12} 60% 40%)`;
    draw.fillRect(0, 0, width, height);
    draw.fillStyle = 'white';
    draw.fillRect((i * 10) % width, 60, 60, 60);
    const frame = new VideoFrame(canvas, { timestamp: (i * 1e6) / rate });
    // A key frame each second lets a late subscriber start soon.
    encoder.encode(frame, { keyFrame: i % rate === 0 });
    frame.close();
  }
  await encoder.flush();
  return ivf('VP80', width, height, rate, chunks);
};

/** One second of a 440 Hz tone, as 20 ms Opus frames in the same container (base64). */
window.audioClip = async () => {
  const rate = 48_000;
  const chunks = [];
  const encoder = new AudioEncoder({
    output: (chunk) => chunks.push(chunk),
    error: (error) => { throw error; },
  });
  encoder.configure({ codec: 'opus', sampleRate: rate, numberOfChannels: 2, bitrate: 64_000 });
  const samples = new Float32Array(rate * 2);
  for (let i = 0; i < rate; i++) {
    samples[i] = samples[rate + i] = 0.5 * Math.sin((2 * Math.PI * 440 * i) / rate);
  }
  const data = new AudioData({
    format: 'f32-planar', sampleRate: rate, numberOfFrames: rate, numberOfChannels: 2, timestamp: 0, data: samples,
  });
  encoder.encode(data);
  await encoder.flush();
  return ivf('Opus', 0, 0, 50, chunks);
};

function ivf(fourcc, width, height, rate, chunks) {
  const size = chunks.reduce((sum, c) => sum + 12 + c.byteLength, 32);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const text = new TextEncoder();
  bytes.set(text.encode('DKIF'), 0);
  view.setUint16(6, 32, true);
  bytes.set(text.encode(fourcc), 8);
  view.setUint16(12, width, true);
  view.setUint16(14, height, true);
  view.setUint32(16, rate, true);
  view.setUint32(20, 1, true);
  view.setUint32(24, chunks.length, true);
  let at = 32;
  chunks.forEach((chunk, i) => {
    view.setUint32(at, chunk.byteLength, true);
    view.setBigUint64(at + 4, BigInt(i), true);
    chunk.copyTo(bytes.subarray(at + 12, at + 12 + chunk.byteLength));
    at += 12 + chunk.byteLength;
  });
  let binary = '';
  for (const b of bytes) binary += String.fromCharCode(b);
  return btoa(binary);
}

window.ready = true;
