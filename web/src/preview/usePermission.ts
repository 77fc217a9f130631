import { useEffect, useState } from 'react';

// What the browser will do when it is asked for a device: give it, ask the
// reader, or refuse. unknown: it does not say.
export type Permission = 'granted' | 'prompt' | 'denied' | 'unknown';

// usePermission follows the permission for a device.
export function usePermission(device: 'camera' | 'microphone'): Permission {
  const [state, setState] = useState<Permission>('unknown');
  useEffect(() => {
    let over = false;
    let status: PermissionStatus | undefined;
    const onChange = () => status && setState(status.state);
    // Not every browser knows these names.
    navigator.permissions
      ?.query({ name: device as PermissionName })
      .then((found) => {
        if (over) return;
        status = found;
        status.addEventListener('change', onChange);
        onChange();
      })
      .catch(() => undefined);
    return () => {
      over = true;
      status?.removeEventListener('change', onChange);
    };
  }, [device]);
  return state;
}
