import { useCallback, useEffect, useState } from 'react';
import { createLocalAudioTrack, createLocalVideoTrack, VideoPresets, type LocalAudioTrack, type LocalVideoTrack } from 'livekit-client';
import { deviceNotice, type Notice } from '../session/notice';

export interface Capture<T> {
  track?: T;
  failure?: Notice;
  retry: () => void;
}

// useCapture holds a device's track while it is wanted, and says why there is
// none. deviceId: which one; empty: the browser's choice.
function useCapture<T extends LocalAudioTrack | LocalVideoTrack>(
  kind: 'camera' | 'microphone',
  wanted: boolean,
  deviceId: string,
  create: (deviceId: string) => Promise<T>,
): Capture<T> {
  const [state, setState] = useState<{ track?: T; failure?: Notice }>({});
  const [tries, setTries] = useState(0);
  useEffect(() => {
    setState({});
    if (!wanted) return;
    let over = false;
    let track: T | undefined;
    create(deviceId)
      .then((made) => {
        track = made;
        if (over) made.stop();
        else setState({ track: made });
      })
      .catch((err: unknown) => {
        if (!over) setState({ failure: deviceNotice(kind, err, window.isSecureContext) });
      });
    return () => {
      over = true;
      track?.stop();
    };
  }, [kind, wanted, deviceId, create, tries]);
  const retry = useCallback(() => setTries((n) => n + 1), []);
  return { ...state, retry };
}

const camera = (deviceId: string) => createLocalVideoTrack({ resolution: VideoPresets.h720.resolution, ...(deviceId ? { deviceId } : {}) });
const microphone = (deviceId: string) => createLocalAudioTrack(deviceId ? { deviceId } : {});

export function useCamera(wanted: boolean, deviceId: string): Capture<LocalVideoTrack> {
  return useCapture('camera', wanted, deviceId, camera);
}

export function useMicrophone(wanted: boolean, deviceId: string): Capture<LocalAudioTrack> {
  return useCapture('microphone', wanted, deviceId, microphone);
}
