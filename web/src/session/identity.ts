// Each tab is a participant of its own: its identity is the name with a suffix
// that the tab keeps across reloads.
const storageKey = 'rollcall.tab';

// slug makes the readable part of an identity from a name.
export function slug(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replace(/\p{Mark}+/gu, '')
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}]+/gu, '-')
    .replace(/^-+|-+$/g, '');
  return Array.from(plain).slice(0, 40).join('').replace(/-+$/, '') || 'guest';
}

export function newSuffix(): string {
  const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789';
  return Array.from(crypto.getRandomValues(new Uint8Array(5)), (n) => alphabet[n % alphabet.length]).join('');
}

let claimed: Promise<string> | undefined;

// tabIdentity is the identity under which this tab joins as name.
export async function tabIdentity(name: string): Promise<string> {
  claimed ??= claimSuffix();
  return `${slug(name)}-${await claimed}`;
}

// claimSuffix returns the tab's suffix. A duplicated tab starts with a copy of
// the other's session storage, so whoever finds the suffix held takes a new one.
async function claimSuffix(): Promise<string> {
  let suffix = sessionStorage.getItem(storageKey) ?? newSuffix();
  if (!(await hold(suffix))) {
    suffix = newSuffix();
    await hold(suffix);
  }
  sessionStorage.setItem(storageKey, suffix);
  return suffix;
}

// hold takes the lock of suffix until the tab goes; true where there are no
// locks (outside secure contexts).
function hold(suffix: string): Promise<boolean> {
  if (!('locks' in navigator)) return Promise.resolve(true);
  return new Promise((resolve) => {
    navigator.locks
      .request(`rollcall.tab.${suffix}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise<never>(() => {});
      })
      .catch(() => resolve(true));
  });
}
