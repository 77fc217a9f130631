import { useId, useLayoutEffect, useRef, useState, type ReactNode } from 'react';

const margin = 8;

interface PopoverProps {
  // What the button and the panel are called.
  label: string;
  className: string;
  icon: ReactNode;
  text?: string;
  testid: string;
  panelClassName?: string;
  onOpen?: (open: boolean) => void;
  // Shown while it is open; close closes it.
  children: (close: () => void) => ReactNode;
}

// Popover is a button with a panel that the browser lays over everything, and
// closes on Escape or a click elsewhere.
export function Popover({ label, className, icon, text, testid, panelClassName = '', onOpen, children }: PopoverProps) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);

  // Above or below the button, wherever there is room.
  useLayoutEffect(() => {
    if (!open || !button.current || !panel.current) return;
    const place = () => {
      const from = button.current?.getBoundingClientRect();
      const box = panel.current;
      if (!from || !box) return;
      const { offsetWidth: width, offsetHeight: height } = box;
      const left = Math.max(margin, Math.min(from.left + from.width / 2 - width / 2, innerWidth - width - margin));
      const below = from.bottom + margin;
      const top = below + height <= innerHeight - margin ? below : Math.max(margin, from.top - margin - height);
      box.style.left = `${left}px`;
      box.style.top = `${top}px`;
    };
    place();
    const observer = new ResizeObserver(place);
    observer.observe(panel.current);
    addEventListener('resize', place);
    return () => {
      observer.disconnect();
      removeEventListener('resize', place);
    };
  }, [open]);

  return (
    <>
      <button ref={button} type="button" className={className} aria-label={label} title={label} aria-expanded={open} popoverTarget={id} data-testid={testid}>
        {icon}
        {text && <span>{text}</span>}
      </button>
      <div
        ref={panel}
        id={id}
        popover="auto"
        role="dialog"
        aria-label={label}
        className={`popover ${panelClassName}`}
        onToggle={(event) => {
          setOpen(event.newState === 'open');
          onOpen?.(event.newState === 'open');
        }}
      >
        {open && children(() => panel.current?.hidePopover())}
      </div>
    </>
  );
}
