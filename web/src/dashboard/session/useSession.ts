import { createContext, useCallback, useContext, useEffect, useState } from 'react';
import { ApiError, api, messageOf, setBearer } from '../api/client';
import { shareToken, storeToken, storedToken, tellOut, tokenOfAddress, tokenOfOtherTab } from './store';

// Bearer is what the server says of a token.
export interface Bearer {
  apiKey: string;
  name: string;
  // RFC 3339.
  expiresAt: string;
  // The only room that the token is for; empty: all.
  room: string;
  // May list rooms, act on them, read events and figures, manage endpoints.
  rooms: boolean;
  admin: boolean;
  events: boolean;
  endpoints: boolean;
}

export type SessionState =
  | { kind: 'opening' }
  // Nobody is in. login: a name and a password are an alternative to a token.
  | { kind: 'out'; login: boolean; notice: string }
  | { kind: 'in'; bearer: Bearer };

export interface SessionControl {
  state: SessionState;
  enterToken: (token: string) => Promise<void>;
  enterPassword: (name: string, password: string) => Promise<void>;
  leave: () => void;
}

interface Ways {
  login: boolean;
  bearer?: Bearer;
}

const expired = 'The session has expired. Log in again to go on.';

async function devToken(): Promise<string | undefined> {
  try {
    return (await api<{ token: string }>('/dev/dashboard')).token;
  } catch {
    return undefined; // not in development, or not on this machine
  }
}

// useSessionControl opens the session of the page and keeps it. It is for the root
// component; the others use useBearer.
export function useSessionControl(): SessionControl {
  const [state, setState] = useState<SessionState>({ kind: 'opening' });

  const out = useCallback(async (notice: string) => {
    storeToken(undefined);
    setBearer(undefined, () => {});
    const ways = await api<Ways>('/session').catch(() => ({ login: true }));
    setState({ kind: 'out', login: ways.login, notice });
  }, []);

  const enter = useCallback(
    async (token: string) => {
      setBearer(token, () => {});
      const { bearer } = await api<Ways>('/session');
      if (!bearer) throw new ApiError(401, 'unauthenticated', 'The server did not see the token.');
      if (!bearer.rooms && !bearer.admin && !bearer.events && !bearer.endpoints) {
        throw new ApiError(403, 'permission_denied', 'This token permits nothing here. Make one with: rollcall token create --dashboard');
      }
      storeToken(token);
      setBearer(token, () => void out(expired));
      setState({ kind: 'in', bearer });
    },
    [out],
  );

  useEffect(() => {
    let gone = false;
    const open = async () => {
      const sources = [async () => tokenOfAddress() ?? storedToken() ?? (await tokenOfOtherTab()), devToken];
      let notice = '';
      for (const source of sources) {
        const token = await source();
        if (gone || token === undefined) continue;
        try {
          await enter(token);
          return;
        } catch (err) {
          notice = messageOf(err);
        }
      }
      if (!gone) await out(notice);
    };
    void open();
    return () => {
      gone = true;
    };
  }, [enter, out]);

  // The page does not wait for a refusal to notice the end.
  useEffect(() => {
    if (state.kind !== 'in') return;
    const token = storedToken();
    const left = Date.parse(state.bearer.expiresAt) - Date.now();
    // A timer takes 2^31 ms at most.
    const timer = setTimeout(() => void out(expired), Math.min(Math.max(left, 0), 2 ** 31 - 1));
    const unshare = token === undefined ? undefined : shareToken(token, () => void out('Logged out in another tab.'));
    return () => {
      clearTimeout(timer);
      unshare?.();
    };
  }, [state, out]);

  return {
    state,
    enterToken: enter,
    enterPassword: async (name, password) => {
      setBearer(undefined, () => {});
      const { token } = await api<{ token: string }>('/session', { method: 'POST', body: { name, password } });
      await enter(token);
    },
    leave: () => {
      tellOut();
      void out('Logged out.');
    },
  };
}

export const BearerContext = createContext<Bearer | undefined>(undefined);

// useBearer is what the token of the page permits.
export function useBearer(): Bearer {
  const bearer = useContext(BearerContext);
  if (!bearer) throw new Error('BUG: no session around this component');
  return bearer;
}
