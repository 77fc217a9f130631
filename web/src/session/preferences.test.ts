import { expect, it } from 'vitest';
import { defaults, parsePreferences } from './preferences';

it.each([
  ['nothing', null, {}],
  ['what is no JSON', '{', {}],
  ['what is no object', '3', {}],
  ['what it understands', '{"camera":"c1","dynacast":false,"view":"speaker","more":1}', { camera: 'c1', dynacast: false, view: 'speaker' }],
  ['nothing of another type', '{"camera":7,"dynacast":"no","view":"pile"}', {}],
])('takes %s', (_, stored, want) => {
  expect(parsePreferences(stored)).toEqual({ ...defaults, ...want });
});
