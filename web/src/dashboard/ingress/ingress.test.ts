import { expect, test } from 'vitest';
import { mediaOf, requestOf, statusOf, type State } from './ingress';

const state = (over: Partial<State>): State => ({ status: 'ENDPOINT_INACTIVE', error: '', video: null, audio: null, started_at: '0', ended_at: '0', ...over });

test('the status is a word for people', () => {
  expect(statusOf({ state: null })).toEqual({ label: 'idle', tone: undefined });
  expect(statusOf({ state: state({}), enabled: false }).label).toBe('disabled');
  expect(statusOf({ state: state({ status: 'ENDPOINT_PUBLISHING' }), enabled: false })).toEqual({ label: 'live', tone: 'good' });
  expect(statusOf({ state: state({ status: 'ENDPOINT_ERROR' }) }).tone).toBe('bad');
});

test('what comes is said with what is known of it', () => {
  const video = { mime_type: 'video/H264', average_bitrate: 2_500_000, width: 1280, height: 720, framerate: 29.97 };
  const audio = { mime_type: 'audio/red', average_bitrate: 96_000, channels: 2, sample_rate: 48_000 };
  expect(mediaOf({ state: state({ status: 'ENDPOINT_PUBLISHING', video, audio }) })).toBe('H264, 1280 × 720, 30 frames/s, 2.50 Mbit/s · Opus, 96.0 kbit/s');
  expect(mediaOf({ state: state({ status: 'ENDPOINT_BUFFERING', video: { ...video, width: 0, framerate: 0 } }) })).toBe('H264, 2.50 Mbit/s');
  expect(mediaOf({ state: state({ video }) })).toBe('');
  expect(mediaOf({ state: state({ ended_at: '1700000000000000000' }) })).toContain('until');
});

test('a form becomes a request of the service', () => {
  const form = new FormData();
  for (const [name, value] of Object.entries({ input: 'WHIP_INPUT', name: ' cam ', room: 'show', identity: 'obs', participant: '', url: 'https://example.com', screen: 'on' })) form.set(name, value);
  expect(requestOf(form)).toEqual({
    input_type: 'WHIP_INPUT', name: 'cam', room_name: 'show', participant_identity: 'obs', participant_name: '',
    video: { source: 'SCREEN_SHARE' }, audio: { source: 'SCREEN_SHARE_AUDIO' },
  });
  form.set('input', 'URL_INPUT');
  form.delete('screen');
  expect(requestOf(form)).toMatchObject({ url: 'https://example.com' });
});
