import { useId, type ReactNode } from 'react';
import type { Device } from './useDevices';

interface DeviceFieldProps {
  label: string;
  devices: readonly Device[];
  // Id of the chosen one; empty or of one that is gone: the browser's choice.
  value: string;
  onChange: (id: string) => void;
  testid: string;
  children?: ReactNode;
}

// DeviceField chooses one of the devices of a kind.
export function DeviceField({ label, devices, value, onChange, testid, children }: DeviceFieldProps) {
  const id = useId();
  const known = devices.some((device) => device.id === value);
  return (
    <div className="device-field">
      <label htmlFor={id}>{label}</label>
      <select id={id} data-testid={testid} value={known ? value : ''} disabled={devices.length === 0} onChange={(event) => onChange(event.target.value)}>
        {(devices.length === 0 || !devices.some((device) => device.id === 'default')) && (
          <option value="">{devices.length === 0 ? 'None known yet' : 'The browser’s choice'}</option>
        )}
        {devices.map((device) => (
          <option key={device.id} value={device.id}>
            {device.label}
          </option>
        ))}
      </select>
      {children}
    </div>
  );
}
