// The bare signal protocol, for clients that no SDK would be: ones that never
// bring up a transport, or that resume what is gone.

import { once } from 'node:events';
import { SignalRequest, SignalResponse } from '@livekit/protocol';
import WebSocket from 'ws';
import { Recorder } from './recorder.mjs';
import { within } from './wait.mjs';

export class SignalClient {
  #socket;

  /** Opens /rtc and waits for the upgrade; throws {status, body} if it is refused. */
  static async connect(server, token, query = {}) {
    const client = new SignalClient();
    client.events = new Recorder('signal client');
    const parameters = new URLSearchParams({
      access_token: token, protocol: '17', sdk: 'js', version: '2.23.0', auto_subscribe: '1', ...query,
    });
    const socket = new WebSocket(`${server.ws}/rtc?${parameters}`);
    client.#socket = socket;
    socket.on('message', (data) => {
      const { message } = SignalResponse.fromBinary(data);
      client.events.push({ event: message.case, value: message.value });
    });
    socket.on('close', (code) => client.events.push({ event: 'closed', code }));
    await within('the signal socket to open', new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
      socket.once('unexpected-response', async (_, response) => {
        const chunks = [];
        for await (const chunk of response) chunks.push(chunk);
        const body = Buffer.concat(chunks).toString();
        reject(Object.assign(new Error(`refused: ${response.statusCode} ${body}`), { status: response.statusCode, body }));
      });
    }));
    return client;
  }

  /** The JoinResponse. */
  async joined() { return (await this.events.want('join')).value; }

  send(message) { this.#socket.send(new SignalRequest({ message }).toBinary()); }

  /** Closes the socket without a leave message. */
  async leave() {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await within('the signal socket to close', closed);
  }
}
