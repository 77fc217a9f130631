// Below this a microphone hears a quiet room, in decibels of full scale.
const floor = -55;
// Speech near a microphone comes to here.
const ceiling = -12;

// level is how full a meter is, from 0 to 1, for samples between -1 and 1: by
// their power, on a scale of decibels, as ears hear it.
export function level(samples: Float32Array): number {
  if (samples.length === 0) return 0;
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / samples.length);
  return Math.min(1, Math.max(0, (decibels - floor) / (ceiling - floor)));
}

// falling lets a meter rise at once and fall slowly; milliseconds have gone by.
export function falling(before: number, now: number, milliseconds: number): number {
  return Math.max(now, before - milliseconds / 900);
}
