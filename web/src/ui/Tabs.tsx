import type { KeyboardEvent } from 'react';

export interface Tab<ID extends string> {
  id: ID;
  label: string;
  // The id of the element it shows.
  controls: string;
  // How many there are; 0 shows nothing.
  count?: number;
  // A count of what is new there; 0 shows nothing.
  badge?: number;
  testid?: string;
}

interface TabsProps<ID extends string> {
  className: string;
  label: string;
  tabs: readonly Tab<ID>[];
  selected: ID;
  onSelect: (id: ID) => void;
}

// Tabs is a row of tabs as the ARIA practices describe it: one stop for the Tab
// key, arrows move and select.
export function Tabs<ID extends string>({ className, label, tabs, selected, onSelect }: TabsProps<ID>) {
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const at = tabs.findIndex((tab) => tab.id === selected);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const index = (to + tabs.length) % tabs.length;
    const tab = tabs[index];
    if (!tab) return;
    onSelect(tab.id);
    event.currentTarget.querySelectorAll<HTMLButtonElement>('[role=tab]')[index]?.focus();
  };
  return (
    <div className={className} role="tablist" aria-label={label} onKeyDown={onKeyDown}>
      {tabs.map((tab) => (
        <button
          key={tab.id}
          type="button"
          role="tab"
          aria-selected={tab.id === selected}
          aria-controls={tab.controls}
          tabIndex={tab.id === selected ? 0 : -1}
          data-testid={tab.testid}
          onClick={() => onSelect(tab.id)}
        >
          {tab.label}
          {tab.count ? <span className="count">{tab.count}</span> : null}
          {tab.badge ? (
            <span className="badge" aria-label={`${tab.badge} new`}>
              {tab.badge > 99 ? '99+' : tab.badge}
            </span>
          ) : null}
        </button>
      ))}
    </div>
  );
}
