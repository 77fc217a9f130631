// A STUN server of our own (RFC 8489): it tells who asks what address that comes
// from. Run by itself, with the address to listen on.

import { createSocket } from 'node:dgram';

const [address, port] = process.argv.slice(2);
const cookie = 0x2112a442;
const socket = createSocket('udp4');
socket.on('message', (request, from) => {
  if (request.length < 20 || request.readUInt16BE(0) !== 0x0001 || request.readUInt32BE(4) !== cookie) return;
  const answer = Buffer.alloc(32);
  answer.writeUInt16BE(0x0101, 0); // binding success
  answer.writeUInt16BE(12, 2);
  request.copy(answer, 4, 4, 20);
  answer.writeUInt16BE(0x0020, 20); // XOR-MAPPED-ADDRESS
  answer.writeUInt16BE(8, 22);
  answer.writeUInt16BE(1, 24); // IPv4
  answer.writeUInt16BE(from.port ^ (cookie >>> 16), 26);
  const ip = from.address.split('.').reduce((n, byte) => n * 256 + Number(byte), 0);
  answer.writeUInt32BE((ip ^ cookie) >>> 0, 28);
  socket.send(answer, from.port, from.address);
});
socket.bind(Number(port), address, () => process.stdout.write('ready\n'));
