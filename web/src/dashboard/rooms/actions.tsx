import { useLocation } from 'wouter';
import { roomService } from '../api/client';
import { useBearer } from '../session/useSession';
import { RecordDialog } from '../recordings/RecordDialog';
import { Dialog } from '../ui/Dialog';
import { Menu } from '../ui/Menu';
import { base64, parseAttributes, printAttributes } from './fields';
import { words, type Permission, type Person, type RoomInfo, type TrackInfo } from './room';

// Action is something that an admin is about to do.
export type Action =
  | { kind: 'mute'; person: Person; track: TrackInfo; muted: boolean }
  | { kind: 'remove' | 'permissions' | 'profile'; person: Person }
  | { kind: 'data' | 'record'; person: Person | undefined }
  | { kind: 'metadata' | 'close'; room: RoomInfo };

export function PersonMenu({ person, onAction }: { person: Person; onAction: (action: Action) => void }) {
  const name = person.info.name || person.info.identity;
  if (!useBearer().admin) return null;
  return (
    <Menu
      label={`Actions for ${name}`}
      testid="person-menu"
      items={[
        { id: 'permissions', label: 'Change permissions…', onChoose: () => onAction({ kind: 'permissions', person }) },
        { id: 'profile', label: 'Change name, metadata, attributes…', onChoose: () => onAction({ kind: 'profile', person }) },
        { id: 'data', label: 'Send data…', onChoose: () => onAction({ kind: 'data', person }) },
        { id: 'record', label: 'Record…', onChoose: () => onAction({ kind: 'record', person }) },
        { id: 'remove', label: 'Remove…', destructive: true, onChoose: () => onAction({ kind: 'remove', person }) },
      ]}
    />
  );
}

export function RoomMenu({ room, onAction }: { room: RoomInfo; onAction: (action: Action) => void }) {
  if (!useBearer().admin) return null;
  return (
    <Menu
      label="Actions for the room"
      testid="room-menu"
      items={[
        { id: 'metadata', label: 'Change metadata…', onChoose: () => onAction({ kind: 'metadata', room }) },
        { id: 'data', label: 'Send data to everybody…', onChoose: () => onAction({ kind: 'data', person: undefined }) },
        { id: 'record', label: 'Record…', onChoose: () => onAction({ kind: 'record', person: undefined }) },
        { id: 'close', label: 'Close the room…', destructive: true, onChoose: () => onAction({ kind: 'close', room }) },
      ]}
    >
      Act
    </Menu>
  );
}

interface ActionDialogProps {
  action: Action;
  room: string;
  onClose: () => void;
}

// ActionDialog asks for what the action needs, and for a yes where it cannot be
// undone, then does it.
export function ActionDialog({ action, room, onClose }: ActionDialogProps) {
  const [, go] = useLocation();
  switch (action.kind) {
    case 'mute': {
      const source = words(action.track.source === 'UNKNOWN' ? action.track.type : action.track.source);
      const verb = action.muted ? 'Mute' : 'Unmute';
      const { identity } = action.person.info;
      return (
        <Dialog
          title={`${verb} the ${source} of ${identity}?`}
          action={verb}
          onClose={onClose}
          onSubmit={() => roomService('MutePublishedTrack', { room, identity, track_sid: action.track.sid, muted: action.muted })}
        >
          <p>{action.muted ? 'Nobody hears or sees it until its owner turns it on again.' : 'The server lets tracks be unmuted only if room.enable_remote_unmute is set.'}</p>
        </Dialog>
      );
    }
    case 'remove': {
      const { identity } = action.person.info;
      return (
        <Dialog title={`Remove ${identity}?`} action="Remove" destructive onClose={onClose} onSubmit={() => roomService('RemoveParticipant', { room, identity })}>
          <p>The session ends at once, and the token it came with does not let it in again.</p>
        </Dialog>
      );
    }
    case 'permissions':
      return <PermissionsDialog person={action.person} room={room} onClose={onClose} />;
    case 'profile':
      return <ProfileDialog person={action.person} room={room} onClose={onClose} />;
    case 'data':
      return <DataDialog to={action.person?.info.identity} room={room} onClose={onClose} />;
    case 'record':
      return <RecordDialog person={action.person} room={room} onClose={onClose} />;
    case 'metadata':
      return (
        <Dialog title="Metadata of the room" action="Change" onClose={onClose} onSubmit={(form) => roomService('UpdateRoomMetadata', { room, metadata: form.get('metadata') })}>
          <div className="field">
            <label htmlFor="metadata">Any text, told to everybody in the room</label>
            <textarea id="metadata" name="metadata" rows={5} defaultValue={action.room.metadata} spellCheck={false} autoFocus />
          </div>
        </Dialog>
      );
    case 'close':
      return (
        <Dialog
          title={`Close the room ${room}?`}
          action="Close the room"
          destructive
          onClose={onClose}
          onSubmit={async () => {
            await roomService('DeleteRoom', { room });
            go('/');
          }}
        >
          <p>Everybody in it is sent away, and their clients do not come back by themselves.</p>
        </Dialog>
      );
  }
}

const boxes: readonly [keyof Permission & string, string][] = [
  ['canPublish', 'Publish tracks'],
  ['canSubscribe', 'Receive tracks'],
  ['canPublishData', 'Send data'],
  ['canUpdateMetadata', 'Change its own name, metadata and attributes'],
  ['hidden', 'Hidden from the others'],
];

function PermissionsDialog({ person, room, onClose }: { person: Person; room: string; onClose: () => void }) {
  const { identity, permission } = person.info;
  const save = (form: FormData) => {
    const changed: Record<string, unknown> = { ...permission };
    for (const [key] of boxes) changed[key] = form.get(key) !== null;
    return roomService('UpdateParticipant', { room, identity, permission: changed });
  };
  return (
    <Dialog title={`What ${identity} may do`} action="Change" onClose={onClose} onSubmit={save}>
      {boxes.map(([key, label]) => (
        <label key={key} className="check">
          <input type="checkbox" name={key} defaultChecked={permission[key] === true} data-testid={`permission-${key}`} />
          {label}
        </label>
      ))}
      {permission.canPublishSources.length > 0 && <p>Publishing is limited to {permission.canPublishSources.map(words).join(', ')}.</p>}
      <p>What is not allowed any more ends at once.</p>
    </Dialog>
  );
}

function ProfileDialog({ person, room, onClose }: { person: Person; room: string; onClose: () => void }) {
  const { info } = person;
  const save = async (form: FormData) => {
    const attributes = parseAttributes(String(form.get('attributes') ?? ''));
    // An empty value deletes what is not in the list any more.
    for (const key of Object.keys(info.attributes)) attributes[key] ??= '';
    await roomService('UpdateParticipant', { room, identity: info.identity, name: form.get('name'), metadata: form.get('metadata'), attributes });
  };
  return (
    <Dialog title={`Profile of ${info.identity}`} action="Change" onClose={onClose} onSubmit={save}>
      <div className="field">
        <label htmlFor="profile-name">Name</label>
        <input id="profile-name" name="name" defaultValue={info.name} autoFocus data-testid="profile-name" />
      </div>
      <div className="field">
        <label htmlFor="profile-metadata">Metadata</label>
        <textarea id="profile-metadata" name="metadata" rows={3} defaultValue={info.metadata} spellCheck={false} data-testid="profile-metadata" />
      </div>
      <div className="field">
        <label htmlFor="profile-attributes">Attributes, one name=value a line</label>
        <textarea id="profile-attributes" name="attributes" rows={4} defaultValue={printAttributes(info.attributes)} spellCheck={false} data-testid="profile-attributes" />
      </div>
      <p className="hint">An empty name or metadata stays as it is: the room service cannot tell it from none.</p>
    </Dialog>
  );
}

function DataDialog({ to, room, onClose }: { to: string | undefined; room: string; onClose: () => void }) {
  const send = (form: FormData) =>
    roomService('SendData', {
      room,
      data: base64(String(form.get('text') ?? '')),
      kind: form.get('lossy') === null ? 'RELIABLE' : 'LOSSY',
      topic: String(form.get('topic') ?? '') || undefined,
      destination_identities: to === undefined ? [] : [to],
    });
  return (
    <Dialog title={to === undefined ? 'Send data to everybody' : `Send data to ${to}`} action="Send" onClose={onClose} onSubmit={send}>
      <div className="field">
        <label htmlFor="data-text">Text</label>
        <textarea id="data-text" name="text" rows={4} required autoFocus data-testid="data-text" />
      </div>
      <div className="field">
        <label htmlFor="data-topic">Topic (may be empty)</label>
        <input id="data-topic" name="topic" autoComplete="off" data-testid="data-topic" />
      </div>
      <label className="check">
        <input type="checkbox" name="lossy" />
        Lossy: may be lost, and does not wait
      </label>
    </Dialog>
  );
}
