import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { messageOf } from '../api/client';
import { CloseIcon } from './icons';

interface DialogProps {
  title: string;
  // What the button that does it says.
  action: string;
  // It cannot be undone: the button is red and has not the focus.
  destructive?: boolean;
  // Does it; an error is shown and the dialog stays. It gets the form's fields.
  onSubmit: (form: FormData) => Promise<unknown>;
  onClose: () => void;
  children: ReactNode;
}

// Dialog asks for something before it is done: a modal <dialog>, which keeps the
// focus inside, closes by Escape, and gives the focus back.
export function Dialog({ title, action, destructive = false, onSubmit, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');

  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setBusy(true);
    setError('');
    try {
      await onSubmit(new FormData(event.currentTarget));
      onClose();
    } catch (err) {
      setError(messageOf(err));
      setBusy(false);
    }
  };

  return (
    <dialog className="dialog" ref={dialog} aria-labelledby={titleId} onCancel={onClose} data-testid="dialog">
      <form onSubmit={(event) => void submit(event)}>
        <header>
          <h2 id={titleId}>{title}</h2>
          <button type="button" className="button quiet" aria-label="Close" onClick={onClose}>
            <CloseIcon />
          </button>
        </header>
        <div className="dialog-body">{children}</div>
        {error !== '' && (
          <p className="dialog-error" role="alert" data-testid="dialog-error">
            {error}
          </p>
        )}
        <footer>
          <button type="button" className="button small" onClick={onClose} autoFocus={destructive}>
            Cancel
          </button>
          <button type="submit" className={`button small ${destructive ? 'danger' : 'primary'}`} disabled={busy} data-testid="dialog-submit">
            {action}
          </button>
        </footer>
      </form>
    </dialog>
  );
}
