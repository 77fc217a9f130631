import type { Notice } from '../session/notice';
import { CloseIcon } from './icons';

export function Notices({ notices, onDismiss }: { notices: readonly Notice[]; onDismiss: (code: string) => void }) {
  return (
    <div className="notices" aria-live="polite">
      {notices.map((notice) => (
        <div
          key={notice.code}
          className="notice"
          data-tone={notice.tone}
          data-testid={notice.tone === 'info' ? 'notice' : 'error'}
          data-code={notice.code}
          role={notice.tone === 'error' ? 'alert' : undefined}
        >
          <div>
            <strong>{notice.title}</strong>
            {notice.detail && <p>{notice.detail}</p>}
          </div>
          <button type="button" className="button icon-only" aria-label="Dismiss" onClick={() => onDismiss(notice.code)}>
            <CloseIcon />
          </button>
        </div>
      ))}
    </div>
  );
}
