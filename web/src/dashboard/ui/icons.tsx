import type { ReactNode } from 'react';

// The dashboard's own icons, drawn as those of the page.
function Icon({ children }: { children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const RoomsIcon = () => (
  <Icon>
    <circle cx="9" cy="8.5" r="3" />
    <path d="M3.5 19c.4-3.4 2.5-5.2 5.5-5.2s5.1 1.8 5.5 5.2M15.5 5.9a3 3 0 0 1 0 5.2M17.2 14.3c1.9.700 3 2.3 3.3 4.7" />
  </Icon>
);
export const NodeIcon = () => (
  <Icon>
    <rect x="3.5" y="4" width="17" height="6.5" rx="1.5" />
    <rect x="3.5" y="13.5" width="17" height="6.5" rx="1.5" />
    <path d="M7 7.250h.01M7 16.750h.01M11 7.250h6M11 16.750h6" />
  </Icon>
);
export const StoryIcon = () => (
  <Icon>
    <path d="M4 6h9M4 12h14M4 18h7M17 6h3M15 18h5" />
  </Icon>
);
export const RecordingsIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="8" />
    <circle cx="12" cy="12" r="3.2" fill="currentColor" stroke="none" />
  </Icon>
);
export const DeliveriesIcon = () => (
  <Icon>
    <path d="M4.5 12L20 4.5 15.5 20l-3.5-6.5zM12 13.5l8-9" />
  </Icon>
);
export const IngressIcon = () => (
  <Icon>
    <path d="M3.5 12h10M10 8.5l3.500 3.500L10 15.500" />
    <path d="M9 4.500h9A1.500 1.500 0 0 1 19.500 6v12a1.500 1.500 0 0 1-1.500 1.500H9" />
  </Icon>
);
export const OutIcon = () => (
  <Icon>
    <path d="M13 4H6.5A1.5 1.5 0 0 0 5 5.5v13A1.5 1.5 0 0 0 6.5 20H13M10 12h10.5M17 8.5l3.5 3.5-3.5 3.5" />
  </Icon>
);
export const SearchIcon = () => (
  <Icon>
    <circle cx="10.5" cy="10.5" r="6" />
    <path d="M15 15l5 5" />
  </Icon>
);
export const UpIcon = () => (
  <Icon>
    <path d="M7 14l5-5 5 5" />
  </Icon>
);
export const DownIcon = () => (
  <Icon>
    <path d="M7 10l5 5 5-5" />
  </Icon>
);
export const BackIcon = () => (
  <Icon>
    <path d="M14.5 6L8.5 12l6 6" />
  </Icon>
);
export const MoreIcon = () => (
  <Icon>
    <path d="M6 12h.01M12 12h.01M18 12h.01" strokeWidth="2.6" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="M6 6l12 12M18 6L6 18" />
  </Icon>
);
