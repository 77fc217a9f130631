import { describe, expect, it } from 'vitest';
import { bitrateText, layerName, readInbound, readOutbound, reception, sent, type Reading } from './reception';

const layers = [
  { quality: 0, width: 320, height: 180 },
  { quality: 1, width: 640, height: 360 },
  { quality: 2, width: 1280, height: 720 },
];
const reading = (change: Partial<Reading> = {}): Reading => ({ at: 1000, width: 640, height: 360, rate: 24.6, bytes: 0, decoded: 10, codec: 'VP8', ...change });

describe('reception', () => {
  it('is what came between two readings', () => {
    expect(reception(reading(), reading({ at: 3000, bytes: 100_000, decoded: 60 }), layers)).toEqual({
      width: 640,
      height: 360,
      rate: 25,
      bitrate: 400_000,
      layer: 'medium',
      codec: 'VP8',
      stuck: 0,
    });
  });

  it('counts readings with bytes and no picture, and forgets them with a picture', () => {
    let before = reading();
    const next = (bytes: number, decoded: number, stuck: number) => {
      const now = reading({ at: before.at + 1000, bytes: before.bytes + bytes, decoded: before.decoded + decoded });
      const got = reception(before, now, layers, stuck).stuck;
      before = now;
      return got;
    };
    expect(next(1000, 0, 0)).toBe(1);
    expect(next(1000, 0, 1)).toBe(2);
    expect(next(0, 0, 2)).toBe(2);
    expect(next(1000, 1, 2)).toBe(0);
  });

  it('has no bitrate before there are two', () => {
    expect(reception(undefined, reading({ bytes: 5000 }), layers)).toMatchObject({ bitrate: 0, stuck: 0 });
  });
});

describe('layerName', () => {
  it.each([
    [1280, 720, 'high'],
    [960, 540, 'high'],
    [640, 352, 'medium'],
    [160, 90, 'low'],
    [0, 0, ''],
  ])('of %dx%d is %j', (width, height, want) => {
    expect(layerName(width, height, layers)).toBe(want);
  });
  it('is none where there is one layer', () => {
    expect(layerName(640, 360, layers.slice(0, 1))).toBe('');
  });
});

describe('statistics', () => {
  it('are read from the receiver’s video, with its codec', () => {
    const got = readInbound([
      { type: 'inbound-rtp', kind: 'audio', bytesReceived: 1 },
      { type: 'codec', id: 'C1', mimeType: 'video/VP9' },
      { type: 'inbound-rtp', kind: 'video', codecId: 'C1', timestamp: 5, frameWidth: 320, frameHeight: 180, bytesReceived: 9, framesDecoded: 2 },
    ]);
    expect(got).toEqual({ at: 5, width: 320, height: 180, rate: 0, bytes: 9, decoded: 2, codec: 'VP9' });
    expect(readInbound([{ type: 'inbound-rtp', kind: 'audio' }])).toBeUndefined();
  });

  it('of a sender are its layers, best first, those at rest marked', () => {
    const report = (at: number, f: number, q: number) =>
      readOutbound([
        { type: 'outbound-rtp', kind: 'video', rid: 'q', timestamp: at, bytesSent: q, frameWidth: 320, frameHeight: 180 },
        { type: 'outbound-rtp', kind: 'audio', timestamp: at },
        { type: 'outbound-rtp', kind: 'video', rid: 'f', timestamp: at, bytesSent: f, frameWidth: 1280, frameHeight: 720, qualityLimitationReason: 'cpu' },
      ]);
    const got = sent(report(0, 0, 500), report(1000, 250_000, 500));
    expect(got.map((layer) => [layer.layer, layer.bitrate, layer.active, layer.limit])).toEqual([
      ['high', 2_000_000, true, 'cpu'],
      ['low', 0, false, 'none'],
    ]);
  });
});

it.each([
  [1_449_000, '1.4 Mbit/s'],
  [380_400, '380 kbit/s'],
  [0, '0 kbit/s'],
])('%d bits a second are %s', (bits, want) => {
  expect(bitrateText(bits)).toBe(want);
});
