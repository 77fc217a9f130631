// Flashes and beeps at once, every second: a track of a canvas and one of an oscillator.

export async function clapper() {
  const sound = new AudioContext({ sampleRate: 48_000 });
  const out = new MediaStreamAudioDestinationNode(sound);
  const tone = new OscillatorNode(sound, { frequency: 1000 });
  // Never quite silent, so that buffers are kept as for speech.
  const [hush, loud] = [0.01, 0.5];
  const level = new GainNode(sound, { gain: hush });
  tone.connect(level).connect(out);
  tone.start();
  await sound.resume();
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
  const paint = canvas.getContext('2d');
  let next = Math.ceil(sound.currentTime) + 1;
  let off = 0;
  setInterval(() => {
    const now = sound.currentTime;
    if (now > next - 0.3 && off < next) {
      // Both are to be at next, for a tenth of a second.
      level.gain.setValueAtTime(loud, next);
      level.gain.setValueAtTime(hush, next + 0.1);
      off = next + 0.1;
    }
    paint.fillStyle = now >= next && now < off ? 'white' : 'black';
    if (now >= off && off > next) next += 1;
    paint.fillRect(0, 0, canvas.width, canvas.height);
  }, 1000 / 60);
  return { video: canvas.captureStream(30).getVideoTracks()[0], audio: out.stream.getAudioTracks()[0] };
}
