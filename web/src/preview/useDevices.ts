import { useEffect, useState } from 'react';

export interface Device {
  id: string;
  label: string;
}

// useDevices lists the devices of a kind, and goes on doing so as they come and
// go. Browsers tell names only once the page was given one of them: known says
// that this may have changed.
export function useDevices(kind: MediaDeviceKind, known: unknown): readonly Device[] {
  const [devices, setDevices] = useState<readonly Device[]>([]);
  useEffect(() => {
    const media = 'mediaDevices' in navigator ? navigator.mediaDevices : undefined;
    if (!media) return;
    let over = false;
    const list = async () => {
      const all = await media.enumerateDevices().catch(() => []);
      if (!over) setDevices(listed(all, kind));
    };
    void list();
    media.addEventListener('devicechange', list);
    return () => {
      over = true;
      media.removeEventListener('devicechange', list);
    };
  }, [kind, known]);
  return devices;
}

const words: Record<MediaDeviceKind, string> = { audioinput: 'Microphone', videoinput: 'Camera', audiooutput: 'Speaker' };

// listed is the devices of a kind that can be chosen by their ids.
export function listed(all: readonly Pick<MediaDeviceInfo, 'kind' | 'deviceId' | 'label'>[], kind: MediaDeviceKind): readonly Device[] {
  return all
    .filter((device) => device.kind === kind && device.deviceId !== '')
    .map((device, i) => ({ id: device.deviceId, label: device.label || `${words[kind]} ${i + 1}` }));
}
