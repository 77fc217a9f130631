import { useId, type FormEvent } from 'react';
import { EncryptionFields } from './EncryptionFields';
import { Preview } from './preview/Preview';
import type { KeptPreferences } from './session/preferences';
import { readClaims } from './session/tokens';
import type { Session } from './session/useSession';
import { Notices } from './ui/Notices';
import type { JoinForm } from './useJoinForm';

// Lobby is where one joins, and comes back to with word of how the call ended.
export function Lobby({ session, form, preferences }: { session: Session; form: JoinForm; preferences: KeptPreferences }) {
  const { values, set } = form;
  const joining = session.phase.kind === 'joining';
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!joining) form.submit();
  };
  return (
    <div className="lobby">
      <div className="lobby-column">
        <Notices notices={session.notices} onDismiss={session.dismiss} />
        {joining ? <div className="preview" /> : <Preview form={form} preferences={preferences} />}
        <form className="join" onSubmit={submit} aria-busy={joining}>
          <h1>Join a room</h1>
          <p className="lede">Whoever joins, leaves or publishes is in the roll: in order, once.</p>
          {values.withToken ? (
            <TokenFields form={form} />
          ) : (
            <>
              <Field label="Room" value={values.room} onChange={(room) => set({ room })} testid="room-input" autoComplete="off" />
              <Field label="Your name" value={values.name} onChange={(name) => set({ name })} testid="name-input" autoComplete="nickname" autoFocus />
            </>
          )}
          <EncryptionFields on={values.encrypt} passphrase={values.passphrase} onChange={set} />
          <button type="submit" className="button primary" data-testid="join" disabled={joining}>
            {joining ? 'Joining…' : 'Join'}
          </button>
          <button type="button" className="button link" data-testid="use-token" onClick={() => set({ withToken: !values.withToken })}>
            {values.withToken ? 'Join by room and name' : 'Join with a token'}
          </button>
        </form>
      </div>
    </div>
  );
}

interface FieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  testid: string;
  autoComplete: string;
  autoFocus?: boolean;
}

function Field({ label, value, onChange, testid, ...input }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        data-testid={testid}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        required
        pattern=".*\S.*"
        title="Not blank"
        maxLength={128}
        spellCheck={false}
        {...input}
      />
    </div>
  );
}

function TokenFields({ form: { values, set } }: { form: JoinForm }) {
  const id = useId();
  const claims = readClaims(values.token);
  return (
    <>
      <div className="field">
        <label htmlFor={`${id}t`}>Access token</label>
        <textarea
          id={`${id}t`}
          data-testid="token-input"
          rows={3}
          required
          spellCheck={false}
          autoComplete="off"
          value={values.token}
          onChange={(event) => set({ token: event.target.value })}
          aria-describedby={`${id}h`}
        />
        <p className="hint" id={`${id}h`}>
          {claims ? (
            <>
              Joins <strong>{claims.room}</strong> as <strong>{claims.name || 'nobody'}</strong>
            </>
          ) : values.token.trim() === '' ? (
            <>
              Make one where the server runs: <code>rollcall token create --config rollcall.yaml --room demo --identity ana</code>
            </>
          ) : (
            'This does not read as a token that joins a room.'
          )}
        </p>
      </div>
      <div className="field">
        <label htmlFor={`${id}e`}>
          Events token <span className="optional">optional, opens the roll</span>
        </label>
        <textarea
          id={`${id}e`}
          data-testid="events-token-input"
          rows={2}
          spellCheck={false}
          autoComplete="off"
          value={values.eventsToken}
          onChange={(event) => set({ eventsToken: event.target.value })}
        />
      </div>
    </>
  );
}
