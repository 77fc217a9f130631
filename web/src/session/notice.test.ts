import { ConnectionError, ConnectionErrorReason, DisconnectReason } from 'livekit-client';
import { describe, expect, it } from 'vitest';
import { connectionNotice, deviceNotice, endNotice, joinNotice } from './notice';
import { DevTokensOff, ServerUnreachable, TokenRefused } from './tokens';

describe('joinNotice', () => {
  it.each([
    [new DevTokensOff(), 'token-needed'],
    [new TokenRefused('room name is too long'), 'token-refused'],
    [new ServerUnreachable(), 'server-unreachable'],
    [ConnectionError.notAllowed('token is expired', 401), 'token-invalid'],
    [ConnectionError.notAllowed('requested room does not exist', 404), 'room-missing'],
    [ConnectionError.serverUnreachable('fetch failed'), 'server-unreachable'],
    [ConnectionError.websocket('closed'), 'join-refused'],
    [ConnectionError.timeout('no peer connection'), 'media-timeout'],
    [ConnectionError.leaveRequest('', DisconnectReason.ROOM_DELETED), 'room-deleted'],
    [ConnectionError.leaveRequest('', DisconnectReason.PARTICIPANT_REMOVED), 'removed'],
    [ConnectionError.internal('could not join: room has exceeded its max participants'), 'room-full'],
    [ConnectionError.internal('something else'), 'join-failed'],
    [new Error('odd'), 'join-failed'],
  ])('%s is %s', (err, code) => {
    expect(joinNotice(err).code).toBe(code);
  });

  it('passes on what the server said about the token', () => {
    expect(joinNotice(ConnectionError.notAllowed('could not establish signal connection: token is expired', 401)).detail).toBe('token is expired');
  });

  it('does not repeat the token', () => {
    const token = `${'a'.repeat(20)}.${'b'.repeat(90)}.${'c'.repeat(43)}`;
    expect(joinNotice(ConnectionError.notAllowed(`invalid token: ${token}, bad signature`, 401)).detail).toBe('invalid token: …, bad signature');
  });

  it('finds a full room in the status text too', () => {
    const notice = connectionNotice(ConnectionErrorReason.InternalError, 'Internal', '', undefined, { statusText: 'max participants exceeded' });
    expect(notice.code).toBe('room-full');
  });
});

describe('what the server said when asked', () => {
  const closed = ConnectionError.websocket('closed');
  it('finds a full room', () => {
    expect(joinNotice(closed, 'room has reached its max_participants').code).toBe('room-full');
  });

  it('is passed on', () => {
    expect(joinNotice(closed, 'server is shutting down')).toMatchObject({ code: 'join-refused', detail: 'server is shutting down' });
  });
});

describe('endNotice', () => {
  it.each([
    [DisconnectReason.CLIENT_INITIATED, 'left', 'info'],
    [DisconnectReason.PARTICIPANT_REMOVED, 'removed', 'error'],
    [DisconnectReason.ROOM_DELETED, 'room-deleted', 'error'],
    [DisconnectReason.ROOM_CLOSED, 'room-deleted', 'error'],
    [DisconnectReason.DUPLICATE_IDENTITY, 'duplicate-identity', 'error'],
    [DisconnectReason.SERVER_SHUTDOWN, 'server-shutdown', 'error'],
    [DisconnectReason.SIGNAL_CLOSE, 'connection-lost', 'error'],
    [undefined, 'connection-lost', 'error'],
  ])('reason %s is %s', (reason, code, tone) => {
    expect(endNotice(reason, 'demo')).toMatchObject({ code, tone });
  });
});

describe('deviceNotice', () => {
  const named = (name: string) => Object.assign(new Error('x'), { name });
  it.each([
    ['NotAllowedError', 'camera-denied'],
    ['NotFoundError', 'camera-missing'],
    ['NotReadableError', 'camera-in-use'],
    ['OverconstrainedError', 'camera-failed'],
  ])('%s is %s', (name, code) => {
    expect(deviceNotice('camera', named(name), true)).toMatchObject({ code, tone: 'warning' });
  });

  it('blames the address where pages get no devices at all', () => {
    expect(deviceNotice('microphone', new TypeError('undefined'), false).code).toBe('devices-insecure');
  });

  it('takes a cancelled screen share for no failure', () => {
    expect(deviceNotice('screen', named('NotAllowedError'), true).tone).toBe('info');
  });
});
