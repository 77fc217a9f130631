import { useId, useState, type FormEvent } from 'react';
import type { Prefill } from './prefill';
import { readClaims } from './session/tokens';
import type { Session } from './session/useSession';
import { CamIcon, CamOffIcon, MicIcon, MicOffIcon } from './ui/icons';
import { Notices } from './ui/Notices';

const nameKey = 'rollcall.name';

export function Lobby({ session, prefill }: { session: Session; prefill: Prefill }) {
  const [room, setRoom] = useState(prefill.room);
  const [name, setName] = useState(() => prefill.name || localStorage.getItem(nameKey) || '');
  const [microphone, setMicrophone] = useState(prefill.microphone);
  const [camera, setCamera] = useState(prefill.camera);
  const [ownToken, setOwnToken] = useState(false);
  const [token, setToken] = useState('');
  const [eventsToken, setEventsToken] = useState('');

  const joining = session.phase.kind === 'joining';
  const needed = session.notices.some((notice) => notice.code === 'token-needed');
  const withToken = ownToken || needed;
  const claims = withToken ? readClaims(token) : undefined;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (joining) return;
    if (withToken) {
      const given = eventsToken.trim() === '' ? { token: token.trim() } : { token: token.trim(), eventsToken: eventsToken.trim() };
      void session.join({ room: claims?.room ?? room, name: claims?.name ?? name, microphone, camera, given });
      return;
    }
    localStorage.setItem(nameKey, name.trim());
    const address = new URL(location.href);
    address.searchParams.set('room', room.trim());
    history.replaceState(null, '', address);
    void session.join({ room: room.trim(), name: name.trim(), microphone, camera });
  };

  return (
    <div className="lobby">
      <div className="lobby-column">
        <Notices notices={session.notices} onDismiss={session.dismiss} />
        <form className="join" onSubmit={submit} aria-busy={joining}>
          <h1>Join a room</h1>
          <p className="lede">Whoever joins, leaves or publishes is in the roll: in order, once.</p>
          {withToken ? (
            <TokenFields token={token} setToken={setToken} eventsToken={eventsToken} setEventsToken={setEventsToken} claims={claims} />
          ) : (
            <>
              <Field label="Room" value={room} onChange={setRoom} testid="room-input" autoComplete="off" />
              <Field label="Your name" value={name} onChange={setName} testid="name-input" autoComplete="nickname" autoFocus />
            </>
          )}
          <div className="join-media">
            <Choice on={microphone} onChange={setMicrophone} label="Microphone" icon={microphone ? <MicIcon /> : <MicOffIcon />} testid="join-mic" />
            <Choice on={camera} onChange={setCamera} label="Camera" icon={camera ? <CamIcon /> : <CamOffIcon />} testid="join-cam" />
          </div>
          <button type="submit" className="button primary" data-testid="join" disabled={joining}>
            {joining ? 'Joining…' : 'Join'}
          </button>
          {!needed && (
            <button type="button" className="button link" data-testid="use-token" onClick={() => setOwnToken(!withToken)}>
              {withToken ? 'Join by room and name' : 'Join with a token'}
            </button>
          )}
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

interface TokenFieldsProps {
  token: string;
  setToken: (value: string) => void;
  eventsToken: string;
  setEventsToken: (value: string) => void;
  claims: ReturnType<typeof readClaims>;
}

function TokenFields(props: TokenFieldsProps) {
  const id = useId();
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
          value={props.token}
          onChange={(event) => props.setToken(event.target.value)}
          aria-describedby={`${id}h`}
        />
        <p className="hint" id={`${id}h`}>
          {props.claims ? (
            <>
              Joins <strong>{props.claims.room}</strong> as <strong>{props.claims.name || 'nobody'}</strong>
            </>
          ) : props.token.trim() === '' ? (
            <>
              Make one where the server runs: <code>rollcall token create</code>
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
          value={props.eventsToken}
          onChange={(event) => props.setEventsToken(event.target.value)}
        />
      </div>
    </>
  );
}

interface ChoiceProps {
  on: boolean;
  onChange: (on: boolean) => void;
  label: string;
  icon: React.ReactNode;
  testid: string;
}

function Choice({ on, onChange, label, icon, testid }: ChoiceProps) {
  return (
    <label className="choice" data-on={on}>
      <input type="checkbox" role="switch" checked={on} data-testid={testid} onChange={(event) => onChange(event.target.checked)} />
      {icon}
      <span>
        {label} <em>{on ? 'on' : 'off'}</em>
      </span>
    </label>
  );
}
