import { useEffect, useRef, useState, type ReactNode } from 'react';
import type { LocalVideoTrack } from 'livekit-client';
import { initials } from '../call/names';
import type { KeptPreferences } from '../session/preferences';
import type { Notice } from '../session/notice';
import { CamIcon, CamOffIcon, MicIcon, MicOffIcon } from '../ui/icons';
import type { JoinForm } from '../useJoinForm';
import { blockedHelp } from './blocked';
import { DeviceField } from './DeviceField';
import { Meter } from './Meter';
import { useCamera, useMicrophone } from './useCapture';
import { useDevices } from './useDevices';
import { usePermission } from './usePermission';

// Preview shows oneself before others do: the camera's picture, the microphone's
// level, and which devices they are. It takes no device before the reader allows
// it, or has allowed it before.
export function Preview({ form, preferences }: { form: JoinForm; preferences: KeptPreferences }) {
  const { values, set } = form;
  const chosen = preferences.values;
  const [asked, setAsked] = useState(false);
  const permissions = { camera: usePermission('camera'), microphone: usePermission('microphone') };
  const possible = window.isSecureContext && 'mediaDevices' in navigator;
  const may = (device: 'camera' | 'microphone') => possible && (asked || permissions[device] === 'granted');
  const camera = useCamera(values.camera && may('camera'), chosen.camera);
  const microphone = useMicrophone(values.microphone && may('microphone'), chosen.microphone);
  const known = `${camera.track !== undefined} ${microphone.track !== undefined}`;
  const cameras = useDevices('videoinput', known);
  const microphones = useDevices('audioinput', known);
  const speakers = useDevices('audiooutput', known);
  const wanted = (values.camera && !may('camera')) || (values.microphone && !may('microphone'));
  const failures = [camera, microphone].filter((capture) => capture.failure);

  return (
    <section className="preview" aria-label="Preview" data-testid="preview">
      <div className="preview-picture">
        {camera.track ? <Picture track={camera.track} /> : <span className="monogram">{initials(values.name) || <CamOffIcon />}</span>}
        {possible && wanted && (
          <div className="preview-ask">
            <p>See and hear yourself before others do.</p>
            <button type="button" className="button primary small" data-testid="start-preview" onClick={() => setAsked(true)}>
              Try camera and microphone
            </button>
          </div>
        )}
      </div>
      <div className="join-media">
        <Choice
          on={values.microphone}
          onChange={(on) => set({ microphone: on })}
          label="Microphone"
          icon={values.microphone ? <MicIcon /> : <MicOffIcon />}
          testid="join-mic"
        >
          {values.microphone && <Meter track={microphone.track} />}
        </Choice>
        <Choice on={values.camera} onChange={(on) => set({ camera: on })} label="Camera" icon={values.camera ? <CamIcon /> : <CamOffIcon />} testid="join-cam" />
      </div>
      {failures.map(({ failure, retry }) => failure && <Failure key={failure.code} failure={failure} retry={retry} />)}
      {!possible && (
        <p className="preview-note" data-testid="preview-insecure">
          Browsers give camera and microphone only to pages on https or localhost. You can still see, hear and write.
        </p>
      )}
      {possible && (
        <details className="preview-devices">
          <summary data-testid="choose-devices">Choose devices</summary>
          <DeviceField label="Microphone" devices={microphones} value={chosen.microphone} onChange={(id) => preferences.set({ microphone: id })} testid="device-mic" />
          <DeviceField label="Camera" devices={cameras} value={chosen.camera} onChange={(id) => preferences.set({ camera: id })} testid="device-cam" />
          {speakers.length > 0 && (
            <DeviceField label="Speaker" devices={speakers} value={chosen.speaker} onChange={(id) => preferences.set({ speaker: id })} testid="device-speaker" />
          )}
        </details>
      )}
    </section>
  );
}

function Picture({ track }: { track: LocalVideoTrack }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = video.current;
    if (!element) return;
    track.attach(element);
    return () => {
      track.detach(element);
    };
  }, [track]);
  return <video ref={video} muted playsInline autoPlay data-testid="preview-video" aria-label="What your camera sees" />;
}

function Failure({ failure, retry }: { failure: Notice; retry: () => void }) {
  const blocked = failure.code.endsWith('-denied');
  return (
    <div className="notice" data-tone="warning" role="alert" data-testid="preview-failure" data-code={failure.code}>
      <div>
        <strong>{failure.title}</strong>
        <p>{blocked ? blockedHelp(navigator.userAgent) : failure.detail?.replace(' You are in the room without it.', '')}</p>
      </div>
      <button type="button" className="button link small" onClick={retry}>
        Try again
      </button>
    </div>
  );
}

interface ChoiceProps {
  on: boolean;
  onChange: (on: boolean) => void;
  label: string;
  icon: ReactNode;
  testid: string;
  children?: ReactNode;
}

// Choice is a switch the size of a button.
export function Choice({ on, onChange, label, icon, testid, children }: ChoiceProps) {
  return (
    <label className="choice" data-on={on}>
      <input type="checkbox" role="switch" checked={on} data-testid={testid} onChange={(event) => onChange(event.target.checked)} />
      {icon}
      <span>
        {label} <em>{on ? 'on' : 'off'}</em>
      </span>
      {children}
    </label>
  );
}
