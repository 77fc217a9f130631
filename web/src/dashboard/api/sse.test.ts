import { expect, test } from 'vitest';
import { Parser, type Message } from './sse';

const stream = 'event: rooms\nid: 7\ndata: {"a":\ndata: 1}\n\n: keep-alive\n\ndata:plain\r\n\r\nid: 9\n\ndata: last\n\n';
const want: Message[] = [
  { event: 'rooms', id: '7', data: '{"a":\n1}' },
  { event: 'message', id: '7', data: 'plain' },
  { event: 'message', id: '9', data: 'last' },
];

test('messages are the same however the stream is cut', () => {
  for (let size = 1; size <= stream.length; size++) {
    const parser = new Parser();
    const got: Message[] = [];
    for (let at = 0; at < stream.length; at += size) got.push(...parser.push(stream.slice(at, at + size)));
    expect(got).toEqual(want);
  }
});

test('what is not complete is not a message', () => {
  expect(new Parser().push('data: half\n')).toEqual([]);
});
