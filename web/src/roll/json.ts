export interface JSONPart {
  kind: 'key' | 'string' | 'literal' | 'punctuation';
  text: string;
}

// jsonParts splits well-formed JSON text into parts to be coloured; together
// they are the text.
export function jsonParts(json: string): JSONPart[] {
  const parts: JSONPart[] = [];
  for (const [text, string, colon, literal] of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|([\w.+-]+)|[^"\w.+-]+/g)) {
    if (string !== undefined) {
      parts.push({ kind: colon === undefined ? 'string' : 'key', text: string });
      if (colon !== undefined) parts.push({ kind: 'punctuation', text: colon });
    } else {
      parts.push({ kind: literal === undefined ? 'punctuation' : 'literal', text });
    }
  }
  return parts;
}
