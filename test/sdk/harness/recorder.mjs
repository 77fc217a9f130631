// What a client SDK told its application, in order.

import { soon } from './wait.mjs';

export class Recorder {
  #waiters = new Set();

  constructor(owner) {
    this.owner = owner;
    this.list = [];
  }

  push(event) {
    this.list.push(event);
    for (const waiter of this.#waiters) waiter();
  }

  /** The first event with this name (or one of these names) and these fields, now or soon; from: index to look from. */
  want(name, fields = {}, { from = 0, deadline = soon } = {}) {
    return new Promise((resolve, reject) => {
      let next = from;
      const look = () => {
        for (; next < this.list.length; next++) {
          if (matches(this.list[next], name, fields)) {
            done();
            resolve(this.list[next]);
            return;
          }
        }
      };
      const done = () => {
        clearTimeout(timer);
        this.#waiters.delete(look);
      };
      const timer = setTimeout(() => {
        done();
        const seen = this.list.slice(from).map((e) => JSON.stringify(e).slice(0, 240)).join('\n  ');
        reject(new Error(`${this.owner} did not see ${name} ${JSON.stringify(fields)} within ${deadline} ms; it saw:\n  ${seen}`));
      }, deadline);
      this.#waiters.add(look);
      look();
    });
  }

  /** Every event with this name and these fields, so far. */
  all(name, fields = {}) {
    return this.list.filter((e) => matches(e, name, fields));
  }
}

function matches(event, name, fields) {
  return [name].flat().includes(event.event) && contains(event, fields);
}

// A part may be a function that judges the value.
function contains(value, part) {
  if (typeof part === 'function') return part(value);
  if (part === null || typeof part !== 'object') return value === part;
  return value !== null && typeof value === 'object' &&
    Object.entries(part).every(([key, wanted]) => contains(value[key], wanted));
}
