import { useEffect, useRef } from 'react';
import { jsonParts } from '../roll/json';
import { CopyButton } from './CopyButton';
import { CopyIcon } from './icons';

interface JsonProps {
  id: string;
  // What it is, above it.
  title: string;
  value: unknown;
  testid: string;
}

// Json is a value to be read: opened under the line that it belongs to.
export function Json({ id, title, value, testid }: JsonProps) {
  const json = JSON.stringify(value, null, 2);
  const box = useRef<HTMLDivElement>(null);
  // It returns a promise in some browsers, which is nothing to clean up by.
  useEffect(() => void box.current?.scrollIntoView({ block: 'nearest' }), []);
  return (
    <div className="details" id={id} ref={box}>
      <div className="details-head">
        <span>{title}</span>
        <CopyButton text={json} label="Copy the JSON" icon={<CopyIcon />}>
          Copy
        </CopyButton>
      </div>
      <pre data-testid={testid} tabIndex={0}>
        {jsonParts(json).map((part, i) => (
          <span key={i} data-json={part.kind}>
            {part.text}
          </span>
        ))}
      </pre>
    </div>
  );
}
