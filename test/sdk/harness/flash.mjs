// Measures, in a page, when flashes of the first video are painted, and when beeps of
// the first audio come out.

/**
 * Watches for so many milliseconds: {flashes, beeps}, in milliseconds on one clock, and
 * apart: how much further sound is than pictures, as the browser thinks.
 */
export function flashesAndBeeps(page, ms) {
  return page.evaluate(async (ms) => {
    const video = document.querySelector('video');
    const audio = document.querySelector('audio');
    const flashes = [];
    const beeps = [];
    const canvas = new OffscreenCanvas(8, 8);
    const paint = canvas.getContext('2d', { willReadFrequently: true });
    let lit = true;
    let watching = true;
    const look = (_, meta) => {
      if (!watching) return;
      paint.drawImage(video, 0, 0, 8, 8);
      const bright = paint.getImageData(4, 4, 1, 1).data[0] > 128;
      if (bright && !lit) flashes.push(meta.presentationTime);
      lit = bright;
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);

    const context = new AudioContext({ sampleRate: 48000, latencyHint: 'interactive' });
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([`
      registerProcessor('onset', class extends AudioWorkletProcessor {
        constructor() { super(); this.quiet = 0; }
        process([input]) {
          const samples = input[0] ?? [];
          for (let i = 0; i < samples.length; i++) {
            if (Math.abs(samples[i]) < 0.1) { this.quiet++; continue; }
            if (this.quiet > 9600) this.port.postMessage(currentTime + i / sampleRate);
            this.quiet = 0;
          }
          return true;
        }
      });`], { type: 'text/javascript' })));
    const onset = new AudioWorkletNode(context, 'onset');
    onset.port.onmessage = ({ data }) => {
      const { contextTime, performanceTime } = context.getOutputTimestamp();
      beeps.push(performanceTime + (data - contextTime) * 1000);
    };
    context.createMediaStreamSource(audio.srcObject).connect(onset);
    await context.resume();
    const apart = [];
    for (const end = performance.now() + ms; performance.now() < end;) {
      const played = await window.participant.played();
      if (played.audio && played.video) apart.push({ at: performance.now(), by: played.audio - played.video });
      await new Promise((done) => { setTimeout(done, 100); });
    }
    watching = false;
    await context.close();
    return { flashes, beeps, apart, origin: performance.timeOrigin };
  }, ms);
}

/**
 * How much later than its flash each beep comes, in milliseconds: as it was measured,
 * and as much of that as the browser does not know of.
 */
export function offsets({ flashes, beeps, apart }) {
  return flashes.flatMap((flash) => {
    const [known] = apart.toSorted((a, b) => Math.abs(a.at - flash) - Math.abs(b.at - flash));
    if (known === undefined || Math.abs(known.at - flash) > 500) return [];
    // What belongs together may be further apart than the next of the other kind.
    const due = flash - known.by;
    const [beep] = beeps.toSorted((a, b) => Math.abs(a - due) - Math.abs(b - due));
    if (beep === undefined || Math.abs(beep - due) > 500) return [];
    return [{ heard: beep - flash, unknown: beep - due }];
  });
}
