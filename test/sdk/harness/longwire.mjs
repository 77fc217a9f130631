// A wire to the server on which everything takes a while, as it does from the other
// side of the world. It carries signalling; media goes past it.

import { connect, createServer } from 'node:net';
import { once } from 'node:events';

export class LongWire {
  #listener;
  #sockets = new Set();

  /** oneWay: how long each byte travels, in milliseconds. */
  static async to(server, oneWay) {
    const wire = new LongWire();
    wire.#listener = createServer((near) => {
      const far = connect(server.port, '127.0.0.1');
      wire.#carry(near, far, oneWay);
      wire.#carry(far, near, oneWay);
    });
    wire.#listener.listen(0, '127.0.0.1');
    await once(wire.#listener, 'listening');
    wire.ws = `ws://127.0.0.1:${wire.#listener.address().port}`;
    return wire;
  }

  // Timers of one length go off in the order in which they were set.
  #carry(from, to, oneWay) {
    this.#sockets.add(from.setNoDelay());
    const later = (what) => setTimeout(() => { if (!to.destroyed) what(); }, oneWay);
    from.on('data', (bytes) => later(() => to.write(bytes)));
    from.on('error', () => to.destroy());
    from.on('end', () => later(() => to.end()));
    from.on('close', () => this.#sockets.delete(from));
  }

  async close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
    await once(this.#listener, 'close');
  }
}
