import { useId, type ReactNode } from 'react';

interface SwitchProps {
  label: string;
  // What it does, under its name.
  children?: ReactNode;
  on: boolean;
  onChange: (on: boolean) => void;
  testid: string;
}

// Switch is a line that is on or off.
export function Switch({ label, children, on, onChange, testid }: SwitchProps) {
  const id = useId();
  return (
    <div className="switch">
      <label>
        <span>{label}</span>
        <input type="checkbox" role="switch" checked={on} data-testid={testid} aria-describedby={children ? id : undefined} onChange={(event) => onChange(event.target.checked)} />
      </label>
      {children && (
        <p id={id} className="hint">
          {children}
        </p>
      )}
    </div>
  );
}
