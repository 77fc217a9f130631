import { useCallback, useEffect, useRef, useState } from 'react';
import { readPrefill } from './prefill';
import type { Preferences } from './session/preferences';
import { readClaims } from './session/tokens';
import type { Session } from './session/useSession';

const nameKey = 'rollcall.name';

export interface JoinValues {
  room: string;
  name: string;
  microphone: boolean;
  camera: boolean;
  // Join with the tokens below, rather than have the server make them.
  withToken: boolean;
  token: string;
  eventsToken: string;
  // Encrypt end to end, by the passphrase.
  encrypt: boolean;
  passphrase: string;
}

export interface JoinForm {
  values: JoinValues;
  set: (change: Partial<JoinValues>) => void;
  submit: () => void;
}

// useJoinForm keeps what is written in the lobby while one is in a room, and
// does what the page's address asks for.
export function useJoinForm({ join, notices }: Session, preferences: Preferences): JoinForm {
  const [prefill] = useState(() => readPrefill(location.search));
  const [values, setValues] = useState<JoinValues>(() => ({
    room: prefill.room,
    name: prefill.name || localStorage.getItem(nameKey) || '',
    microphone: prefill.microphone,
    camera: prefill.camera,
    withToken: false,
    token: '',
    eventsToken: '',
    encrypt: false,
    passphrase: '',
  }));
  const set = useCallback((change: Partial<JoinValues>) => setValues((all) => ({ ...all, ...change })), []);

  const kept = useRef(preferences);
  kept.current = preferences;
  const asked = useRef(false);
  useEffect(() => {
    if (!prefill.join || asked.current) return;
    asked.current = true;
    const { room, microphone, camera } = prefill;
    void join({ room, name: prefill.name || 'Guest', microphone, camera, ...mediaOptions(kept.current) });
  }, [prefill, join]);

  const tokenNeeded = notices.some((notice) => notice.code === 'token-needed');
  useEffect(() => {
    if (tokenNeeded) set({ withToken: true });
  }, [tokenNeeded, set]);

  const submit = () => {
    const { microphone, camera } = values;
    const passphrase = values.encrypt ? values.passphrase : '';
    const media = { microphone, camera, ...mediaOptions(preferences), ...(passphrase ? { passphrase } : {}) };
    const room = values.room.trim();
    const name = values.name.trim();
    if (values.withToken) {
      const token = values.token.trim();
      const eventsToken = values.eventsToken.trim();
      const claims = readClaims(token);
      const given = eventsToken === '' ? { token } : { token, eventsToken };
      void join({ room: claims?.room ?? room, name: claims?.name ?? name, ...media, given });
      return;
    }
    localStorage.setItem(nameKey, name);
    const address = new URL(location.href);
    address.searchParams.set('room', room);
    history.replaceState(null, '', address);
    void join({ room, name, ...media });
  };

  return { values, set, submit };
}

function mediaOptions({ microphone, camera, speaker, adaptiveStream, dynacast }: Preferences) {
  return { devices: { microphone, camera, speaker }, adaptiveStream, dynacast };
}
