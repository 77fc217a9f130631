import { useCallback, useState } from 'react';

const key = 'rollcall.preferences';

// Preferences are what this browser keeps from one call to the next.
export interface Preferences {
  // Ids of devices; empty leaves the choice to the browser.
  microphone: string;
  camera: string;
  speaker: string;
  adaptiveStream: boolean;
  dynacast: boolean;
  // Write on each tile what arrives.
  showFlow: boolean;
  view: 'grid' | 'speaker';
}

export const defaults: Preferences = {
  microphone: '',
  camera: '',
  speaker: '',
  adaptiveStream: true,
  dynacast: true,
  showFlow: false,
  view: 'grid',
};

// parsePreferences takes from stored text what it understands.
export function parsePreferences(stored: string | null): Preferences {
  let value: unknown;
  try {
    value = JSON.parse(stored ?? '{}');
  } catch {
    return defaults;
  }
  if (typeof value !== 'object' || value === null) return defaults;
  const read = { ...defaults };
  for (const name of ['microphone', 'camera', 'speaker'] as const) {
    const id = (value as Record<string, unknown>)[name];
    if (typeof id === 'string') read[name] = id;
  }
  for (const name of ['adaptiveStream', 'dynacast', 'showFlow'] as const) {
    const on = (value as Record<string, unknown>)[name];
    if (typeof on === 'boolean') read[name] = on;
  }
  if ('view' in value && (value.view === 'grid' || value.view === 'speaker')) read.view = value.view;
  return read;
}

export interface KeptPreferences {
  values: Preferences;
  set: (change: Partial<Preferences>) => void;
}

export function usePreferences(): KeptPreferences {
  const [values, setValues] = useState(() => parsePreferences(localStorage.getItem(key)));
  const set = useCallback((change: Partial<Preferences>) => {
    setValues((all) => {
      const next = { ...all, ...change };
      localStorage.setItem(key, JSON.stringify(next));
      return next;
    });
  }, []);
  return { values, set };
}
