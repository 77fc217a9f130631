// A message of a stream of server-sent events (HTML Standard §9.2).
export interface Message {
  event: string;
  id: string;
  data: string;
}

// Parser takes the pieces of a stream as they come and returns the messages that
// they complete.
export class Parser {
  private rest = '';
  private event = '';
  private id = '';
  private data: string[] = [];

  push(chunk: string): Message[] {
    const messages: Message[] = [];
    const lines = (this.rest + chunk).split('\n');
    this.rest = lines.pop() ?? '';
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line === '') {
        if (this.data.length > 0) messages.push({ event: this.event || 'message', id: this.id, data: this.data.join('\n') });
        this.event = '';
        this.data = [];
        continue;
      }
      const colon = line.indexOf(':');
      if (colon === 0) continue; // a comment, which keeps the connection alive
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'data') this.data.push(value);
      else if (field === 'event') this.event = value;
      else if (field === 'id') this.id = value;
    }
    return messages;
  }
}
