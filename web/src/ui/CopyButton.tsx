import { useEffect, useState, type ReactNode } from 'react';
import { CheckIcon } from './icons';

interface CopyButtonProps {
  text: string;
  label: string;
  icon: ReactNode;
  children?: ReactNode;
}

// CopyButton copies text. It is absent where pages have no clipboard.
export function CopyButton({ text, label, icon, children }: CopyButtonProps) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1600);
    return () => clearTimeout(timer);
  }, [copied]);
  if (!('clipboard' in navigator)) return null;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // The browser may refuse the clipboard: then nothing is said to be copied.
    }
  };
  return (
    <button type="button" className="button quiet" aria-label={copied ? 'Copied' : label} title={label} onClick={() => void copy()}>
      {copied ? <CheckIcon /> : icon}
      {children}
    </button>
  );
}
