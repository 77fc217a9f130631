import { useEffect, useRef, useState, type FormEvent } from 'react';
import { useMediaDeviceSelect, useRoomContext } from '@livekit/components-react';
import { EncryptionFields } from '../EncryptionFields';
import { DeviceField } from '../preview/DeviceField';
import { listed } from '../preview/useDevices';
import type { KeptPreferences } from '../session/preferences';
import type { Phase, Session } from '../session/useSession';
import { CloseIcon, SettingsIcon } from '../ui/icons';
import { Switch } from '../ui/Switch';

interface SettingsProps {
  session: Session;
  call: Extract<Phase, { kind: 'call' }>;
  preferences: KeptPreferences;
}

// SettingsButton opens the settings of the call.
export function SettingsButton(props: SettingsProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (open) dialog.current?.showModal();
  }, [open]);
  return (
    <>
      <button type="button" className="control icon-control" aria-label="Settings" title="Settings" data-testid="settings" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        <SettingsIcon />
      </button>
      {open && (
        <dialog
          ref={dialog}
          className="settings"
          aria-label="Settings"
          data-testid="settings-dialog"
          onClose={() => setOpen(false)}
          // A click on the dialog itself is one beside its content.
          onClick={(event) => event.target === dialog.current && dialog.current.close()}
        >
          <div className="settings-page">
            <header className="settings-head">
              <h2>Settings</h2>
              <button type="button" className="button quiet" aria-label="Close" data-testid="close-settings" onClick={() => dialog.current?.close()}>
                <CloseIcon />
              </button>
            </header>
            <Devices preferences={props.preferences} />
            <Picture preferences={props.preferences} />
            <Connection {...props} />
          </div>
        </dialog>
      )}
    </>
  );
}

function Devices({ preferences }: { preferences: KeptPreferences }) {
  const [asked] = useState(() => window.isSecureContext && 'mediaDevices' in navigator);
  if (!asked) return null;
  return (
    <section aria-label="Devices">
      <h3>Devices</h3>
      <Device kind="audioinput" label="Microphone" onChosen={(microphone) => preferences.set({ microphone })} />
      <Device kind="videoinput" label="Camera" onChosen={(camera) => preferences.set({ camera })} />
      <Device kind="audiooutput" label="Speaker" onChosen={(speaker) => preferences.set({ speaker })} />
    </section>
  );
}

function Device({ kind, label, onChosen }: { kind: MediaDeviceKind; label: string; onChosen: (id: string) => void }) {
  const room = useRoomContext();
  const { devices, activeDeviceId, setActiveMediaDevice } = useMediaDeviceSelect({ kind, room });
  const choices = listed(devices, kind);
  // Browsers that cannot choose a speaker list none.
  if (kind === 'audiooutput' && choices.length === 0) return null;
  const choose = (id: string) => {
    onChosen(id);
    setActiveMediaDevice(id || 'default').catch(() => undefined);
  };
  return <DeviceField label={label} devices={choices} value={activeDeviceId} onChange={choose} testid={`call-${kind}`} />;
}

function Picture({ preferences }: { preferences: KeptPreferences }) {
  const room = useRoomContext();
  const [allowed, setAllowed] = useState(true);
  const allow = (all: boolean) => {
    room.localParticipant.setTrackSubscriptionPermissions(all);
    setAllowed(all);
  };
  return (
    <section aria-label="Picture and sound">
      <h3>Picture and sound</h3>
      <Switch label="Write on tiles what arrives" on={preferences.values.showFlow} onChange={(showFlow) => preferences.set({ showFlow })} testid="show-flow" />
      <Switch label="Others may receive me" on={allowed} onChange={allow} testid="allow-others">
        Off, nobody in the room sees or hears you, and their SDKs are told so.
      </Switch>
    </section>
  );
}

// Connection is what only a new connection can change.
function Connection({ session, call, preferences }: SettingsProps) {
  const before = { adaptiveStream: call.request.adaptiveStream, dynacast: call.request.dynacast, passphrase: call.request.passphrase ?? '' };
  const [wish, setWish] = useState({ ...before, encrypt: before.passphrase !== '' });
  const passphrase = wish.encrypt ? wish.passphrase : '';
  const changed = wish.adaptiveStream !== before.adaptiveStream || wish.dynacast !== before.dynacast || passphrase !== before.passphrase;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const { adaptiveStream, dynacast } = wish;
    preferences.set({ adaptiveStream, dynacast });
    void session.rejoin({ adaptiveStream, dynacast, passphrase: passphrase || undefined });
  };
  return (
    <form aria-label="Connection" onSubmit={submit}>
      <h3>Connection</h3>
      <Switch label="Adaptive stream" on={wish.adaptiveStream} onChange={(adaptiveStream) => setWish({ ...wish, adaptiveStream })} testid="adaptive-stream">
        Ask for pictures as large as their tiles, and for none that is out of sight.
      </Switch>
      <Switch label="Dynacast" on={wish.dynacast} onChange={(dynacast) => setWish({ ...wish, dynacast })} testid="dynacast">
        Send only the layers that somebody watches.
      </Switch>
      <EncryptionFields on={wish.encrypt} passphrase={wish.passphrase} onChange={(change) => setWish({ ...wish, ...change })} />
      {changed && (
        <div className="settings-rejoin">
          <p className="hint">You leave the room for a moment and join it again.</p>
          <button type="submit" className="button primary small" data-testid="rejoin">
            Join again
          </button>
        </div>
      )}
    </form>
  );
}
