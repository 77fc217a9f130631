import { expect, it } from 'vitest';
import { readPrefill, roomLink } from './prefill';

it('reads what the address asks for', () => {
  expect(readPrefill('?room=standup&name=Alice&join=1&cam=0')).toEqual({ room: 'standup', name: 'Alice', join: true, microphone: true, camera: false });
  expect(readPrefill('')).toEqual({ room: 'demo', name: '', join: false, microphone: true, camera: true });
  expect(readPrefill('?room=%20&join=yes').join).toBe(false);
});

it('makes a link that leads to the room and carries nothing else', () => {
  expect(roomLink('http://127.0.0.1:7880', 'a b/c')).toBe('http://127.0.0.1:7880/?room=a+b%2Fc');
});
