import { useConnectionState } from '@livekit/components-react';
import { ConnectionState, type Room } from 'livekit-client';
import { roomLink } from '../prefill';
import { CopyButton } from '../ui/CopyButton';
import { EventsIcon, LinkIcon, LockIcon } from '../ui/icons';

interface BarProps {
  room: { room: Room; name: string; encrypted: boolean } | undefined;
  // Opens and closes the events; absent where a tab does.
  events: { open: boolean; seen: number; of: number; toggle: () => void } | undefined;
}

// Bar is the top of the page: whose it is, which room, and how the connection is.
export function Bar({ room, events }: BarProps) {
  return (
    <header className="bar">
      <a className="brand" href="/" aria-label="Rollcall, start page">
        <img src="/favicon.svg" width="26" height="26" alt="" />
        <span>Rollcall</span>
      </a>
      {room && (
        <>
          <h1 className="bar-room" title={room.name}>
            {room.name}
          </h1>
          <CopyButton text={roomLink(location.origin, room.name)} label="Copy the room's link" icon={<LinkIcon />} />
          {room.encrypted && (
            <span className="chip bar-lock" data-testid="encrypted" title="Media and messages are encrypted end to end">
              <LockIcon />
              <span>Encrypted</span>
            </span>
          )}
        </>
      )}
      <span className="bar-space" />
      {events && (
        <button type="button" className="button small bar-events" aria-pressed={events.open} data-testid="toggle-events" onClick={events.toggle}>
          <EventsIcon />
          <span>Events</span>
          <span className="count" title={`${events.seen} of the ${events.of} client events were seen`}>
            {events.seen}/{events.of}
          </span>
        </button>
      )}
      {room ? <Status room={room.room} /> : <StatusChip state="idle" text="Not in a room" />}
    </header>
  );
}

function Status({ room }: { room: Room }) {
  const state = useConnectionState(room);
  switch (state) {
    case ConnectionState.Connected:
      return <StatusChip state="connected" text="Connected" />;
    case ConnectionState.Reconnecting:
    case ConnectionState.SignalReconnecting:
      return <StatusChip state="reconnecting" text="Reconnecting" />;
    default:
      return <StatusChip state="connecting" text="Connecting" />;
  }
}

function StatusChip({ state, text }: { state: string; text: string }) {
  return (
    <span className="chip" role="status" data-testid="connection-state" data-state={state}>
      <i aria-hidden="true" />
      <span>{text}</span>
    </span>
  );
}
