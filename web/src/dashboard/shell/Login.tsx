import { useState, type FormEvent } from 'react';
import { messageOf } from '../api/client';
import type { SessionControl } from '../session/useSession';

interface LoginProps {
  session: SessionControl;
  // A name and a password get in too.
  login: boolean;
  notice: string;
}

// Login asks for a name and a password where the server has some, or for a token.
export function Login({ session, login, notice }: LoginProps) {
  const [byToken, setByToken] = useState(!login);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const field = (name: string) => String(form.get(name) ?? '');
    setBusy(true);
    setError('');
    try {
      if (byToken) await session.enterToken(field('token').trim());
      else await session.enterPassword(field('name').trim(), field('password'));
    } catch (err) {
      setError(messageOf(err));
      setBusy(false);
    }
  };

  return (
    <main className="login">
      <form className="login-form" onSubmit={(event) => void submit(event)} data-testid="login">
        <img src="/favicon.svg" alt="" width="44" height="44" />
        <h1>Rollcall dashboard</h1>
        {notice !== '' && error === '' && (
          <p className="login-notice" role="status" data-testid="login-notice">
            {notice}
          </p>
        )}
        {byToken ? (
          <div className="field">
            <label htmlFor="token">Admin token</label>
            <textarea id="token" name="token" rows={4} required autoFocus spellCheck={false} autoComplete="off" data-testid="login-token" />
            <p className="hint">
              Made on the server by <code>rollcall token create --dashboard</code>
            </p>
          </div>
        ) : (
          <>
            <div className="field">
              <label htmlFor="name">Name</label>
              <input id="name" name="name" required autoFocus autoComplete="username" data-testid="login-name" />
            </div>
            <div className="field">
              <label htmlFor="password">Password</label>
              <input id="password" name="password" type="password" required autoComplete="current-password" data-testid="login-password" />
            </div>
          </>
        )}
        {error !== '' && (
          <p className="login-error" role="alert" data-testid="login-error">
            {error}
          </p>
        )}
        <button type="submit" className="button primary" disabled={busy} data-testid="login-submit">
          {busy ? 'One moment…' : 'Log in'}
        </button>
        {login && (
          <button type="button" className="button link" onClick={() => setByToken(!byToken)} data-testid="login-other">
            {byToken ? 'Use a name and a password' : 'Use a token'}
          </button>
        )}
      </form>
    </main>
  );
}
