// A page that flashes and beeps at once, every second, and what of it is found in a
// recording.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from './paths.mjs';

const page = `<!doctype html><meta charset="utf-8"><title>clapper</title>
<style>html, body, canvas { margin: 0; width: 100%; height: 100%; background: #104010; overflow: hidden }</style>
<canvas id="canvas" width="320" height="180"></canvas>
<script type="module">
const { clap = 1, start = 0, end = 0 } = Object.fromEntries(new URL(location).searchParams);
const sound = new AudioContext({ sampleRate: 48000 });
const tone = new OscillatorNode(sound, { frequency: 1000 });
const level = new GainNode(sound, { gain: 0 });
tone.connect(level).connect(sound.destination);
tone.start();
await sound.resume();
const paint = canvas.getContext('2d');
let next = Math.ceil(sound.currentTime) + 1, off = 0, frame = 0;
requestAnimationFrame(function draw() {
  const now = sound.currentTime;
  if (now > next - 0.3 && off < next) {
    // Both are to be at next, for a tenth of a second.
    level.gain.setValueAtTime(0.5, next);
    level.gain.setValueAtTime(0, next + 0.1);
    off = next + 0.1;
  }
  const bright = now >= next && now < off;
  if (now >= off && off > next) next += Number(clap);
  paint.fillStyle = bright ? '#ffffff' : '#104010';
  paint.fillRect(0, 0, 320, 180);
  paint.fillStyle = '#804000';
  paint.fillRect(frame++ % 320, 170, 8, 10);
  requestAnimationFrame(draw);
});
if (Number(start)) setTimeout(() => console.log('START_RECORDING'), Number(start) * 1000);
if (Number(end)) setTimeout(() => console.log('END_RECORDING'), Number(end) * 1000);
</script>`;

/**
 * A layout of a room: its page joins, shows the camera whose participant the layout names, or the first, and prints that it can
 * be recorded when there is a picture.
 */
const layout = `<!doctype html><meta charset="utf-8"><style>html, body { margin: 0; background: #000 } video { width: 100vw; height: 100vh }</style>
<p id="layout" style="position: fixed; color: white"></p><script src="/livekit-client.js"></script>
<script type="module">
const { Room, RoomEvent, ParticipantEvent } = LivekitClient;
const query = new URL(location).searchParams;
const room = new Room();
const show = (name) => {
  document.getElementById('layout').textContent = name;
  document.body.style.background = name === 'bright' ? '#fff' : '#000';
};
show(query.get('layout'));
room.on(RoomEvent.TrackSubscribed, (track) => {
  const element = track.attach();
  if (track.kind !== 'video') return;
  element.style.width = '50vw';
  document.body.append(element);
  element.addEventListener('playing', () => console.log('START_RECORDING'), { once: true });
});
room.on(RoomEvent.ParticipantMetadataChanged, (before, who) => {
  if (who === room.localParticipant) show(JSON.parse(who.metadata).layout);
});
room.on(RoomEvent.Disconnected, () => console.log('END_RECORDING'));
await room.connect(query.get('url'), query.get('token'));
</script>`;

/** A page that takes more and more memory, and uses it. */
const hungry = `<!doctype html><meta charset="utf-8"><title>hungry</title><script>
const all = [];
setInterval(() => all.push(new Uint8Array(32 << 20).fill(all.length + 1)), 100);
</script>`;

/** Serves the page, a layout at /layout, one that takes all memory at /hungry, and errors by their status: /404. */
export async function serveClapper() {
  const files = { '/layout': layout, '/hungry': hungry, '/livekit-client.js': await readFile(join(suite, 'node_modules/livekit-client/dist/livekit-client.umd.js')) };
  const server = http.createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const status = Number(path.slice(1));
    const body = files[path] ?? (path === '/' ? page : undefined);
    if (path === '/away') response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
    else if (body === undefined) response.writeHead(status || 404).end('no such page');
    else response.writeHead(200, { 'content-type': path.endsWith('.js') ? 'text/javascript' : 'text/html' }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => { server.closeAllConnections(); server.close(); } };
}

/** When the picture flashes and the sound, if there is any, beeps, in seconds, and how bright the picture is. */
export async function clapsOf(path, { sound = true } = {}) {
  const read = async (...args) => {
    const { stdout } = await promisify(execFile)('ffmpeg', ['-v', 'error', '-i', path, ...args, '-f', 'null', '-'], { maxBuffer: 64 << 20 });
    return stdout;
  };
  const frames = await read('-an', '-vf', 'signalstats,metadata=mode=print:key=lavfi.signalstats.YAVG:file=-');
  const flashes = [], brightness = [];
  let at;
  for (const line of frames.split('\n')) {
    const time = /pts_time:([\d.]+)/.exec(line);
    if (time) at = Number(time[1]);
    const value = /YAVG=([\d.]+)/.exec(line);
    if (!value) continue;
    if (value[1] > 180 && !(brightness.at(-1) > 180)) flashes.push(at);
    brightness.push(Number(value[1]));
  }
  const silences = !sound ? '' : await read('-vn', '-af', 'silencedetect=noise=0.05:duration=0.2,ametadata=mode=print:file=-');
  const beeps = [];
  for (const line of silences.split('\n')) {
    const end = /silence_end=([\d.]+)/.exec(line);
    if (end) beeps.push(Number(end[1]));
  }
  return { flashes, beeps, brightness };
}

/** How much later than its flash each beep is, in seconds. */
export function offsetsOf({ flashes, beeps }) {
  return flashes.flatMap((flash) => {
    const near = beeps.map((beep) => beep - flash).filter((offset) => Math.abs(offset) < 0.4);
    return near.length ? [near.reduce((a, b) => (Math.abs(a) < Math.abs(b) ? a : b))] : [];
  });
}
