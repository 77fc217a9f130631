import { useState, type ReactNode } from 'react';
import { useLocalParticipant, useMediaDeviceSelect, useRoomContext } from '@livekit/components-react';
import type { DeviceKind } from '../session/notice';
import type { KeptPreferences } from '../session/preferences';
import type { Phase, Session } from '../session/useSession';
import { CamIcon, CamOffIcon, ChevronIcon, GridIcon, LeaveIcon, MicIcon, MicOffIcon, ScreenIcon, SpeakerViewIcon } from '../ui/icons';
import { ReactionButton, type Reactions } from './Reactions';
import { SettingsButton } from './Settings';

interface ControlsProps {
  session: Session;
  call: Extract<Phase, { kind: 'call' }>;
  preferences: KeptPreferences;
  sendReaction: Reactions['send'];
  // Something is pinned, so that the view is a speaker's whatever the mode.
  onUnpin: () => void;
}

// Controls is the row of buttons under the stage.
export function Controls({ session, call, preferences, sendReaction, onUnpin }: ControlsProps) {
  const room = useRoomContext();
  const { isMicrophoneEnabled, isCameraEnabled, isScreenShareEnabled } = useLocalParticipant({ room });
  const [busy, setBusy] = useState<readonly DeviceKind[]>([]);
  const devices = window.isSecureContext && 'mediaDevices' in navigator;
  const screens = devices && 'getDisplayMedia' in navigator.mediaDevices;

  const toggle = async (kind: DeviceKind, on: boolean) => {
    setBusy((kinds) => [...kinds, kind]);
    await session.setDevice(kind, on);
    setBusy((kinds) => kinds.filter((k) => k !== kind));
  };

  return (
    <section className="controls" aria-label="Call controls">
      <div className="control-group">
        <Control
          on={isMicrophoneEnabled}
          busy={busy.includes('microphone')}
          label={isMicrophoneEnabled ? 'Mute' : 'Unmute'}
          icon={isMicrophoneEnabled ? <MicIcon /> : <MicOffIcon />}
          testid="toggle-mic"
          onClick={() => void toggle('microphone', !isMicrophoneEnabled)}
        />
        {devices && <DeviceSelect kind="audioinput" label="Microphone" />}
      </div>
      <div className="control-group">
        <Control
          on={isCameraEnabled}
          busy={busy.includes('camera')}
          label={isCameraEnabled ? 'Stop camera' : 'Camera'}
          icon={isCameraEnabled ? <CamIcon /> : <CamOffIcon />}
          testid="toggle-cam"
          onClick={() => void toggle('camera', !isCameraEnabled)}
        />
        {devices && <DeviceSelect kind="videoinput" label="Camera" />}
      </div>
      {screens && (
        <div className="control-group">
          <Control
            on={isScreenShareEnabled}
            busy={busy.includes('screen')}
            label={isScreenShareEnabled ? 'Stop sharing' : 'Share screen'}
            icon={<ScreenIcon />}
            testid="toggle-screen"
            onClick={() => void toggle('screen', !isScreenShareEnabled)}
          />
        </div>
      )}
      <div className="control-group">
        <ReactionButton send={sendReaction} />
      </div>
      <div className="control-group">
        <ViewButton preferences={preferences} onChange={onUnpin} />
      </div>
      <div className="control-group">
        <SettingsButton session={session} call={call} preferences={preferences} />
      </div>
      <div className="control-group leave">
        <button type="button" className="control" title="Leave" data-testid="leave" onClick={session.leave}>
          <LeaveIcon />
          <span>Leave</span>
        </button>
      </div>
    </section>
  );
}

interface ControlProps {
  on: boolean;
  busy: boolean;
  label: string;
  icon: ReactNode;
  testid: string;
  onClick: () => void;
}

function Control({ on, busy, label, icon, testid, onClick }: ControlProps) {
  return (
    <button type="button" className="control" data-on={on} title={label} data-testid={testid} disabled={busy} aria-busy={busy} onClick={onClick}>
      {icon}
      <span>{label}</span>
    </button>
  );
}

function ViewButton({ preferences, onChange }: { preferences: KeptPreferences; onChange: () => void }) {
  const grid = preferences.values.view === 'grid';
  const label = grid ? 'Speaker view' : 'Grid view';
  const change = () => {
    preferences.set({ view: grid ? 'speaker' : 'grid' });
    onChange();
  };
  return (
    <button type="button" className="control icon-control" aria-label={label} title={label} data-testid="toggle-view" data-view={preferences.values.view} onClick={change}>
      {grid ? <SpeakerViewIcon /> : <GridIcon />}
    </button>
  );
}

// DeviceSelect is the browser's own list under a small arrow, so that it works
// with keys and on a phone.
function DeviceSelect({ kind, label }: { kind: MediaDeviceKind; label: string }) {
  const room = useRoomContext();
  const { devices, activeDeviceId, setActiveMediaDevice } = useMediaDeviceSelect({ kind, room });
  if (devices.length < 2) return null;
  return (
    <label className="device">
      <ChevronIcon />
      <select
        aria-label={`Which ${label.toLowerCase()}`}
        value={activeDeviceId}
        onChange={(event) => void setActiveMediaDevice(event.target.value).catch(() => undefined)}
      >
        {devices.map((device, i) => (
          <option key={device.deviceId || i} value={device.deviceId}>
            {device.label || `${label} ${i + 1}`}
          </option>
        ))}
      </select>
    </label>
  );
}
