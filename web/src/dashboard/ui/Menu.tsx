import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { MoreIcon } from './icons';

export interface MenuItem {
  id: string;
  label: string;
  destructive?: boolean;
  onChoose: () => void;
}

// Menu is a button that opens a list of actions, as the ARIA practices describe it:
// arrows move, Escape and a click elsewhere close it.
export function Menu({ label, items, children, testid }: { label: string; items: readonly MenuItem[]; children?: ReactNode; testid?: string }) {
  const [open, setOpen] = useState(false);
  const [upward, setUpward] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const id = useId();

  useEffect(() => {
    if (!open) return;
    root.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus();
    const close = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener('pointerdown', close);
    return () => removeEventListener('pointerdown', close);
  }, [open]);

  const shut = () => {
    setOpen(false);
    root.current?.querySelector('button')?.focus();
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    if (!open) return;
    const entries = [...(root.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])];
    const at = entries.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      event.stopPropagation(); // a table around it would move, too
      entries.at(to % entries.length)?.focus();
    }
    if (event.key === 'Escape') {
      event.stopPropagation();
      shut();
    }
    if (event.key === 'Tab') setOpen(false);
  };

  return (
    <div className="menu" ref={root} onKeyDown={onKeyDown} onClick={(event) => event.stopPropagation()}>
      <button
        type="button"
        className={children ? 'button small' : 'button quiet'}
        aria-label={children ? undefined : label}
        title={children ? undefined : label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={id}
        data-testid={testid}
        onClick={(event) => {
          // Upward where there is no room below.
          const room = innerHeight - event.currentTarget.getBoundingClientRect().bottom;
          setUpward(room < 48 * (items.length + 1));
          setOpen(!open);
        }}
      >
        {children ?? <MoreIcon />}
      </button>
      {open && (
        <div className="menu-list" data-upward={upward} role="menu" id={id} aria-label={label}>
          {items.map((item) => (
            <button
              key={item.id}
              type="button"
              role="menuitem"
              tabIndex={-1}
              data-destructive={item.destructive}
              data-testid={`do-${item.id}`}
              onClick={() => {
                shut();
                item.onChoose();
              }}
            >
              {item.label}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
