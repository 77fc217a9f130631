import { expect, test } from 'vitest';
import { base64, parseAttributes, printAttributes } from './fields';

test('attributes are read as they are printed', () => {
  const attributes = { role: 'host', formula: 'a=b', empty: '' };
  expect(parseAttributes(printAttributes(attributes))).toEqual(attributes);
  expect(parseAttributes('\n seat = 4 \n\n')).toEqual({ seat: '4' });
  for (const wrong of ['role', '=host']) expect(() => parseAttributes(wrong)).toThrow(/name=value/);
});

test('text is sent as UTF-8', () => {
  expect(base64('grüße 👋')).toBe('Z3LDvMOfZSDwn5GL');
});
