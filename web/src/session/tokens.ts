export interface Credentials {
  token: string;
  // Reads the room's roll; without it the page shows none.
  eventsToken?: string;
}

// DevTokensOff says that this server hands out no tokens: it runs without --dev.
export class DevTokensOff extends Error {
  override name = 'DevTokensOff';
}

// TokenRefused carries what the server said to a request for a token.
export class TokenRefused extends Error {
  override name = 'TokenRefused';
}

// ServerUnreachable says that no answer came at all.
export class ServerUnreachable extends Error {
  override name = 'ServerUnreachable';
}

export async function devCredentials(room: string, identity: string, name: string): Promise<Credentials> {
  let response: Response;
  try {
    response = await fetch(`/dev/token?${new URLSearchParams({ room, identity, name })}`, { cache: 'no-store' });
  } catch (err) {
    throw new ServerUnreachable('no answer', { cause: err });
  }
  if (response.status === 404) throw new DevTokensOff('no development tokens');
  const body = await response.text();
  if (!response.ok) {
    if (response.status >= 502 && response.status <= 504) throw new ServerUnreachable(body);
    throw new TokenRefused(body.trim().slice(0, 300) || `status ${response.status}`);
  }
  const answer: unknown = JSON.parse(body);
  if (typeof answer !== 'object' || answer === null || !('token' in answer) || typeof answer.token !== 'string') {
    throw new TokenRefused('the answer holds no token');
  }
  return 'eventsToken' in answer && typeof answer.eventsToken === 'string' && answer.eventsToken !== ''
    ? { token: answer.token, eventsToken: answer.eventsToken }
    : { token: answer.token };
}

// refusal is what the server says against joining with token: undefined when it
// has nothing against it, or does not answer. The SDK asks the same, but passes
// on the words only where the token is at fault.
export async function refusal(token: string): Promise<string | undefined> {
  try {
    const response = await fetch('/rtc/validate', { headers: { Authorization: `Bearer ${token}` }, cache: 'no-store' });
    return response.ok ? undefined : (await response.text()).trim();
  } catch {
    return undefined;
  }
}

export interface TokenClaims {
  room: string;
  identity: string;
  name: string;
}

// readClaims tells whom a token is for. It checks nothing: the server does. It
// is undefined for what is not a token to join a room.
export function readClaims(token: string): TokenClaims | undefined {
  const payload = token.trim().split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as {
      sub?: unknown;
      name?: unknown;
      video?: { room?: unknown };
    };
    const room = claims.video?.room;
    if (typeof room !== 'string' || room === '') return undefined;
    const identity = typeof claims.sub === 'string' ? claims.sub : '';
    return { room, identity, name: typeof claims.name === 'string' && claims.name !== '' ? claims.name : identity };
  } catch {
    return undefined;
  }
}
