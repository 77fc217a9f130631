import { ConnectionError, ConnectionErrorReason, DisconnectReason, MediaDeviceFailure } from 'livekit-client';
import { DevTokensOff, ServerUnreachable, TokenRefused } from './tokens';

// Notice tells the reader what happened and what to do about it.
export interface Notice {
  // Stable, for tests and for telling notices apart.
  code: string;
  tone: 'info' | 'warning' | 'error';
  title: string;
  detail?: string;
}

const unreachable: Notice = {
  code: 'server-unreachable',
  tone: 'error',
  title: 'The server does not answer',
  detail: 'Check that rollcall is running and that this device can reach it, then join again.',
};

// joinNotice says why a join did not succeed; said is what the server answered
// when it was asked about it.
export function joinNotice(err: unknown, said = ''): Notice {
  if (err instanceof DevTokensOff) {
    return {
      code: 'token-needed',
      tone: 'info',
      title: 'This server asks for a token',
      detail: 'It runs without --dev, so it hands out none by itself.',
    };
  }
  if (err instanceof TokenRefused) {
    return { code: 'token-refused', tone: 'error', title: 'The server gave no token', detail: err.message };
  }
  if (err instanceof ServerUnreachable) return unreachable;
  if (err instanceof ConnectionError) return connectionNotice(err.reason, err.message, said, err.status, err.context);
  return { code: 'join-failed', tone: 'error', title: 'Joining did not work', detail: messageOf(err) };
}

// connectionNotice maps the SDK's reason.
export function connectionNotice(
  reason: ConnectionErrorReason,
  message: string,
  said: string,
  status?: number,
  context?: unknown,
): Notice {
  if (/max(imum)?[ _-]?participants|room is full|exceed/i.test(`${message} ${said} ${contextText(context)}`)) {
    return {
      code: 'room-full',
      tone: 'error',
      title: 'The room is full',
      detail: 'It already holds as many participants as it may. Try again when someone has left.',
    };
  }
  switch (reason) {
    case ConnectionErrorReason.NotAllowed:
      return status === 404
        ? {
            code: 'room-missing',
            tone: 'error',
            title: 'There is no such room',
            detail: 'Rooms of this server are created by its API before anyone can join.',
          }
        : {
            code: 'token-invalid',
            tone: 'error',
            title: 'The server does not accept the token',
            detail: serverWords(message) || 'It may have expired, or be signed with another key.',
          };
    case ConnectionErrorReason.LeaveRequest:
      return endNotice(typeof context === 'number' ? context : undefined, '');
    case ConnectionErrorReason.ServerUnreachable:
      return unreachable;
    case ConnectionErrorReason.WebSocket:
      return {
        code: 'join-refused',
        tone: 'error',
        title: 'The server closed the connection',
        detail: said || 'It may be too busy, or a proxy between here and the server does not pass WebSockets on.',
      };
    case ConnectionErrorReason.Timeout:
      return {
        code: 'media-timeout',
        tone: 'error',
        title: 'The connection did not come up in time',
        detail: 'The server answered, but media could not reach it. A firewall may block its UDP and TCP ports.',
      };
    default:
      return { code: 'join-failed', tone: 'error', title: 'Joining did not work', detail: message };
  }
}

// endNotice says why a call that had begun is over.
export function endNotice(reason: DisconnectReason | undefined, room: string): Notice {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return { code: 'left', tone: 'info', title: room ? `You left ${room}` : 'You left' };
    case DisconnectReason.PARTICIPANT_REMOVED:
      return {
        code: 'removed',
        tone: 'error',
        title: 'You were removed from the room',
        detail: 'Whoever runs it ended your session.',
      };
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return {
        code: 'room-deleted',
        tone: 'error',
        title: 'The room was closed',
        detail: 'Its session is over for everyone. Joining again starts a new one.',
      };
    case DisconnectReason.DUPLICATE_IDENTITY:
      return {
        code: 'duplicate-identity',
        tone: 'error',
        title: 'You joined from somewhere else',
        detail: 'Another connection with the same identity took this one’s place.',
      };
    case DisconnectReason.SERVER_SHUTDOWN:
      return {
        code: 'server-shutdown',
        tone: 'error',
        title: 'The server is shutting down',
        detail: 'Join again once it is back.',
      };
    case DisconnectReason.JOIN_FAILURE:
      return { code: 'join-failed', tone: 'error', title: 'Joining did not work' };
    default:
      return {
        code: 'connection-lost',
        tone: 'error',
        title: 'The connection was lost',
        detail: 'Reconnecting did not work. Check your network, then join again.',
      };
  }
}

export type DeviceKind = 'microphone' | 'camera' | 'screen';

// deviceNotice says why a device could not be used. The call goes on without it.
export function deviceNotice(kind: DeviceKind, err: unknown, secure: boolean): Notice {
  const code = (suffix: string) => `${kind}-${suffix}`;
  if (kind === 'screen') {
    return { code: code('denied'), tone: 'info', title: 'The screen is not shared', detail: 'Sharing was cancelled or is not allowed.' };
  }
  if (!secure) {
    return {
      code: 'devices-insecure',
      tone: 'warning',
      title: 'No microphone or camera on this address',
      detail: 'Browsers give them only to pages on https or localhost. You can still see, hear and write.',
    };
  }
  switch (MediaDeviceFailure.getFailure(err)) {
    case MediaDeviceFailure.PermissionDenied:
      return {
        code: code('denied'),
        tone: 'warning',
        title: `The ${kind} is blocked`,
        detail: 'Allow it in the browser’s site settings, then turn it on. You are in the room without it.',
      };
    case MediaDeviceFailure.NotFound:
      return {
        code: code('missing'),
        tone: 'warning',
        title: `No ${kind} found`,
        detail: 'Connect one and turn it on. You are in the room without it.',
      };
    case MediaDeviceFailure.DeviceInUse:
      return {
        code: code('in-use'),
        tone: 'warning',
        title: `The ${kind} is in use`,
        detail: 'Another program holds it. Close that one, then turn it on here.',
      };
    default:
      return { code: code('failed'), tone: 'warning', title: `The ${kind} did not start`, detail: messageOf(err) };
  }
}

// serverWords is what the server said, without the SDK's preface and without
// the token itself, which a server may repeat.
function serverWords(message: string): string {
  return message
    .replace(/^could not establish signal connection:\s*/i, '')
    .replace(/[\w-]{16,}\.[\w-]{16,}\.[\w-]{16,}/g, '…')
    .trim();
}

function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}

function contextText(context: unknown): string {
  if (typeof context === 'string') return context;
  if (typeof context === 'object' && context !== null && 'statusText' in context) return String(context.statusText);
  return '';
}
