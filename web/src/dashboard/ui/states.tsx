import type { ReactNode } from 'react';
import { messageOf } from '../api/client';

// Empty says that there is nothing, and why or what to do.
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state" data-testid="empty">
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

// Loading says what is on its way. It stays invisible for a moment: what comes at
// once needs no announcement.
export function Loading({ what }: { what: string }) {
  return (
    <div className="state loading" role="status" data-testid="loading">
      <span className="spinner" aria-hidden="true" />
      <span>Reading {what}…</span>
    </div>
  );
}

// Problem shows an error in the server's words.
export function Problem({ error, onRetry, retry = 'Try again' }: { error: unknown; onRetry?: () => void; retry?: string }) {
  return (
    <div className="state problem" role="alert" data-testid="problem">
      <strong>This did not work</strong>
      <p>{messageOf(error)}</p>
      {onRetry && (
        <button type="button" className="button small" onClick={onRetry}>
          {retry}
        </button>
      )}
    </div>
  );
}
