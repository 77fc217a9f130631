// The token of this tab. It is in no cookie, so that no other page can use it, and
// goes with the tab. A new tab of the same browser asks those that are open.
const key = 'rollcall.dashboard.token';
const channelName = 'rollcall.dashboard';

export function storedToken(): string | undefined {
  return sessionStorage.getItem(key) ?? undefined;
}

export function storeToken(token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(key);
  else sessionStorage.setItem(key, token);
}

// tokenOfAddress takes a token out of the address: #token=… is not sent to any
// server, and is not left where it can be read over a shoulder.
export function tokenOfAddress(): string | undefined {
  const found = new URLSearchParams(location.hash.slice(1)).get('token');
  if (found === null) return undefined;
  history.replaceState(history.state, '', location.pathname + location.search);
  return found.trim() || undefined;
}

type Word = { kind: 'who' } | { kind: 'token'; token: string } | { kind: 'out' };

// shareToken answers new tabs with token, and calls onOut when another tab logs out.
export function shareToken(token: string, onOut: () => void): () => void {
  const channel = new BroadcastChannel(channelName);
  channel.onmessage = (message: MessageEvent<Word>) => {
    if (message.data.kind === 'who') channel.postMessage({ kind: 'token', token } satisfies Word);
    if (message.data.kind === 'out') onOut();
  };
  return () => channel.close();
}

export function tellOut(): void {
  const channel = new BroadcastChannel(channelName);
  channel.postMessage({ kind: 'out' } satisfies Word);
  channel.close();
}

// tokenOfOtherTab asks the other tabs; they answer at once or are not there.
export function tokenOfOtherTab(waitMs = 150): Promise<string | undefined> {
  return new Promise((resolve) => {
    const channel = new BroadcastChannel(channelName);
    const end = (token: string | undefined) => {
      clearTimeout(timer);
      channel.close();
      resolve(token);
    };
    const timer = setTimeout(() => end(undefined), waitMs);
    channel.onmessage = (message: MessageEvent<Word>) => {
      if (message.data.kind === 'token') end(message.data.token);
    };
    channel.postMessage({ kind: 'who' } satisfies Word);
  });
}
