import { useId, type ReactNode } from 'react';
import { Choice } from './preview/Preview';
import { encryptionSupport, supportText } from './session/encryption';
import { LockIcon } from './ui/icons';

interface EncryptionFieldsProps {
  on: boolean;
  passphrase: string;
  onChange: (change: { encrypt?: boolean; passphrase?: string }) => void;
  children?: ReactNode;
}

// EncryptionFields switches encryption end to end, by a passphrase that everyone
// in the room shares; or says why this browser cannot.
export function EncryptionFields({ on, passphrase, onChange, children }: EncryptionFieldsProps) {
  const id = useId();
  const support = encryptionSupport();
  if (support !== 'supported') {
    return (
      <p className="encryption-none" data-testid="e2ee-unsupported" data-reason={support}>
        <LockIcon />
        {supportText[support]}
      </p>
    );
  }
  return (
    <div className="encryption">
      <Choice on={on} onChange={(encrypt) => onChange({ encrypt })} label="End-to-end encryption" icon={<LockIcon />} testid="e2ee" />
      {on && (
        <div className="field">
          <label htmlFor={id}>Passphrase</label>
          <input
            id={id}
            data-testid="passphrase"
            value={passphrase}
            required
            maxLength={200}
            autoComplete="off"
            spellCheck={false}
            aria-describedby={`${id}h`}
            onChange={(event) => onChange({ passphrase: event.target.value })}
          />
          <p className="hint" id={`${id}h`}>
            {supportText.supported}
          </p>
        </div>
      )}
      {children}
    </div>
  );
}
