import { useSyncExternalStore } from 'react';

// The width from which room and roll stand side by side; layout.css has the same.
const query = '(min-width: 56rem)';

function subscribe(onChange: () => void): () => void {
  const list = matchMedia(query);
  list.addEventListener('change', onChange);
  return () => list.removeEventListener('change', onChange);
}

export function useWide(): boolean {
  return useSyncExternalStore(subscribe, () => matchMedia(query).matches);
}
