import { expect, test } from 'vitest';
import { bitrate, bytes, count, duration, latency, perSecond, plural, share } from './format';

test('figures keep two or three digits and their unit', () => {
  expect([0, 7, 950, 1234, 64_000, 999_960, 2_500_000, 12_340_000_000].map(bitrate)).toEqual([
    '0 bit/s', '7 bit/s', '950 bit/s', '1.23 kbit/s', '64.0 kbit/s', '1000 kbit/s', '2.50 Mbit/s', '12.3 Gbit/s',
  ]);
  expect([0, 1023, 1024, 10 * 1024 ** 2, 5 * 1024 ** 4].map(bytes)).toEqual(['0 B', '1023 B', '1.00 KiB', '10.0 MiB', '5.00 TiB']);
  expect([0, 999, 1000, 1234567].map(count)).toEqual(['0', '999', '1 000', '1 234 567']);
  expect([0, 0.04, 0.5, 12.4].map(perSecond)).toEqual(['0/s', '0.04/s', '0.5/s', '12/s']);
  expect([0, 0.0004, 0.012, 0.25, 1].map(share)).toEqual(['0 %', '0.04 %', '1.2 %', '25 %', '100 %']);
});

test('times keep their two largest units', () => {
  expect([0, 59_999, 61_000, 3_600_000, 7_260_000, 200_000_000].map(duration)).toEqual(['0 s', '59 s', '1 min 01 s', '1 h 00 min', '2 h 01 min', '2 d 7 h']);
  expect([0.42, 9.96, 83.2, 1500, 42_000].map(latency)).toEqual(['0.4 ms', '10.0 ms', '83 ms', '1.5 s', '42 s']);
  expect([plural(1, 'room'), plural(0, 'room'), plural(2, 'person', 'people')]).toEqual(['1 room', '0 rooms', '2 people']);
});
