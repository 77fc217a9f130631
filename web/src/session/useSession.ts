import { useCallback, useEffect, useRef, useState } from 'react';
import { DisconnectReason, Room, RoomEvent, VideoPresets } from 'livekit-client';
import type { RollSource } from '../roll/useRoll';
import { Cipher } from './encryption';
import { tabIdentity } from './identity';
import { deviceNotice, endNotice, joinNotice, type DeviceKind, type Notice } from './notice';
import { devCredentials, readClaims, refusal, type Credentials } from './tokens';

export interface JoinRequest {
  room: string;
  name: string;
  microphone: boolean;
  camera: boolean;
  // Which devices; the browser's choice where none is named.
  devices?: { microphone?: string; camera?: string; speaker?: string };
  // Ask only for what tiles can show, and send only layers that somebody watches.
  adaptiveStream: boolean;
  dynacast: boolean;
  // Encrypt end to end with it.
  passphrase?: string;
  // Given tokens, where the server hands out none.
  given?: Credentials;
}

// lobby: not in a room; joining: a token is fetched; call: room is connecting or connected.
export type Phase =
  | { kind: 'lobby' }
  | { kind: 'joining' }
  | { kind: 'call'; room: Room; name: string; request: JoinRequest; cipher: Cipher | undefined };

export interface Session {
  phase: Phase;
  notices: readonly Notice[];
  roll: RollSource | undefined;
  join: (request: JoinRequest) => Promise<void>;
  // Leaves the room and joins it again, with what is to be different.
  rejoin: (change: Pick<JoinRequest, 'adaptiveStream' | 'dynacast'> & { passphrase: string | undefined }) => Promise<void>;
  leave: () => void;
  setDevice: (kind: DeviceKind, on: boolean) => Promise<void>;
  dismiss: (code: string) => void;
}

// useSession owns the one Room that the page may be in, from join to leave;
// watch is handed each Room before it connects.
export function useSession(watch: (room: Room) => void): Session {
  const [phase, setPhase] = useState<Phase>({ kind: 'lobby' });
  const [notices, setNotices] = useState<readonly Notice[]>([]);
  const [roll, setRoll] = useState<RollSource>();
  const current = useRef<Room>(undefined);
  const asked = useRef<JoinRequest>(undefined);

  const notify = useCallback((notice: Notice) => {
    setNotices((all) => [...all.filter((n) => n.code !== notice.code), notice]);
  }, []);
  const dismiss = useCallback((code: string) => {
    setNotices((all) => all.filter((n) => n.code !== code));
  }, []);

  const setRoomDevice = useCallback(
    async (room: Room, kind: DeviceKind, on: boolean) => {
      const me = room.localParticipant;
      for (const suffix of ['denied', 'missing', 'in-use', 'failed']) dismiss(`${kind}-${suffix}`);
      try {
        if (kind === 'microphone') await me.setMicrophoneEnabled(on);
        else if (kind === 'camera') await me.setCameraEnabled(on);
        else await me.setScreenShareEnabled(on, { audio: true, selfBrowserSurface: 'include' });
      } catch (err) {
        // A call that ended meanwhile has nothing to say about its devices.
        if (current.current === room) notify(deviceNotice(kind, err, window.isSecureContext));
      }
    },
    [dismiss, notify],
  );

  const join = useCallback(
    async (request: JoinRequest) => {
      asked.current = request;
      setNotices([]);
      setPhase({ kind: 'joining' });
      let credentials: Credentials;
      let roomName = request.room;
      let refresh: () => Promise<Credentials>;
      try {
        if (request.given) {
          const { given } = request;
          roomName = readClaims(given.token)?.room ?? request.room;
          credentials = given;
          refresh = () => Promise.resolve(given);
        } else {
          const identity = await tabIdentity(request.name);
          refresh = () => devCredentials(roomName, identity, request.name);
          credentials = await refresh();
        }
      } catch (err) {
        notify(joinNotice(err));
        setPhase({ kind: 'lobby' });
        return;
      }

      const eventsToken = credentials.eventsToken;
      setRoll({
        room: roomName,
        token: async (fresh) => (fresh ? (await refresh()).eventsToken : eventsToken),
      });

      const cipher = request.passphrase ? new Cipher() : undefined;
      const room = newRoom(request, cipher);
      current.current = room;
      watch(room);
      const end = (notice: Notice) => {
        cipher?.close();
        if (current.current !== room) return;
        current.current = undefined;
        setNotices([notice]);
        setPhase({ kind: 'lobby' });
      };
      let connected = false;
      room.on(RoomEvent.Disconnected, (reason) => {
        // While connecting, the error that connect throws says more.
        if (connected) end(endNotice(reason, roomName));
      });
      setPhase({ kind: 'call', room, name: roomName, request, cipher });
      try {
        if (cipher && request.passphrase) {
          await cipher.setPassphrase(request.passphrase);
          await room.setE2EEEnabled(true);
        }
        await room.connect(location.origin, credentials.token);
        connected = true;
      } catch (err) {
        // Only ask when it is to be shown: not when the reader left meanwhile.
        if (current.current === room) end(joinNotice(err, await refusal(credentials.token)));
        else cipher?.close();
        return;
      }
      if (current.current !== room) {
        // Left while it was connecting.
        await room.disconnect();
        return;
      }
      const speaker = request.devices?.speaker;
      if (speaker) await room.switchActiveDevice('audiooutput', speaker).catch(() => undefined);
      if (request.microphone) await setRoomDevice(room, 'microphone', true);
      if (request.camera) await setRoomDevice(room, 'camera', true);
    },
    [notify, setRoomDevice, watch],
  );

  const rejoin: Session['rejoin'] = useCallback(
    async ({ passphrase, ...change }) => {
      const room = current.current;
      const before = asked.current;
      if (!room || !before) return;
      const { passphrase: _, ...rest } = before;
      const me = room.localParticipant;
      const request: JoinRequest = { ...rest, ...change, microphone: me.isMicrophoneEnabled, camera: me.isCameraEnabled };
      current.current = undefined;
      setPhase({ kind: 'joining' });
      await room.disconnect();
      await join(passphrase ? { ...request, passphrase } : request);
    },
    [join],
  );

  const leave = useCallback(() => {
    const room = current.current;
    if (!room) return;
    current.current = undefined;
    setNotices([endNotice(DisconnectReason.CLIENT_INITIATED, room.name)]);
    setPhase({ kind: 'lobby' });
    void room.disconnect();
  }, []);

  const setDevice = useCallback(
    async (kind: DeviceKind, on: boolean) => {
      if (current.current) await setRoomDevice(current.current, kind, on);
    },
    [setRoomDevice],
  );

  // A page that is gone is in no room.
  useEffect(
    () => () => {
      void current.current?.disconnect();
      current.current = undefined;
    },
    [],
  );

  return { phase, notices, roll, join, rejoin, leave, setDevice, dismiss };
}

function newRoom(request: JoinRequest, cipher: Cipher | undefined): Room {
  const { microphone, camera } = request.devices ?? {};
  return new Room({
    adaptiveStream: request.adaptiveStream,
    dynacast: request.dynacast,
    ...(microphone ? { audioCaptureDefaults: { deviceId: microphone } } : {}),
    videoCaptureDefaults: { resolution: VideoPresets.h720.resolution, ...(camera ? { deviceId: camera } : {}) },
    ...(cipher ? { encryption: cipher.options } : {}),
  });
}
