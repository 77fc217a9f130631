import type { ReactNode } from 'react';

// The page's own icons, on a grid of 24, drawn with the text's colour.
function Icon({ children }: { children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

const slash = <path d="M4 4l16 16" />;
const mic = (
  <>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
  </>
);
const cam = (
  <>
    <rect x="3" y="6.5" width="12" height="11" rx="2" />
    <path d="M15 10.5l6-3v9l-6-3" />
  </>
);

export const MicIcon = () => <Icon>{mic}</Icon>;
export const MicOffIcon = () => (
  <Icon>
    {mic}
    {slash}
  </Icon>
);
export const CamIcon = () => <Icon>{cam}</Icon>;
export const CamOffIcon = () => (
  <Icon>
    {cam}
    {slash}
  </Icon>
);
export const ScreenIcon = () => (
  <Icon>
    <rect x="3" y="4" width="18" height="12.5" rx="1.5" />
    <path d="M8.5 20.5h7M12 13.5v-6M9.2 10L12 7.2 14.8 10" />
  </Icon>
);
export const LeaveIcon = () => (
  <Icon>
    <path d="M13 4H6.5A1.5 1.5 0 0 0 5 5.5v13A1.5 1.5 0 0 0 6.5 20H13M10 12h10.5M17 8.5l3.5 3.5-3.5 3.5" />
  </Icon>
);
export const SoundIcon = () => (
  <Icon>
    <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />
  </Icon>
);
export const LinkIcon = () => (
  <Icon>
    <path d="M10 14l4-4M8.5 11.5l-2.3 2.3a3.3 3.3 0 0 0 4.7 4.7l2.3-2.3M15.5 12.5l2.3-2.3a3.3 3.3 0 0 0-4.7-4.7l-2.3 2.3" />
  </Icon>
);
export const CopyIcon = () => (
  <Icon>
    <rect x="8.5" y="8.5" width="11" height="11.5" rx="1.5" />
    <path d="M15.5 8.5v-3A1.5 1.5 0 0 0 14 4H6a1.5 1.5 0 0 0-1.5 1.5V14A1.5 1.5 0 0 0 6 15.5h2.5" />
  </Icon>
);
export const CheckIcon = () => (
  <Icon>
    <path d="M5 12.5l4.5 4.5L19 7.5" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="M6 6l12 12M18 6L6 18" />
  </Icon>
);
export const ChevronIcon = () => (
  <Icon>
    <path d="M7 10l5 5 5-5" />
  </Icon>
);
export const DownIcon = () => (
  <Icon>
    <path d="M12 5v14M6.5 13.5L12 19l5.5-5.5" />
  </Icon>
);
export const SendIcon = () => (
  <Icon>
    <path d="M4.5 12L20 4.5 15.5 20l-3.5-6.5zM12 13.5l8-9" />
  </Icon>
);
export const SmileIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M8.5 14.2a4.3 4.3 0 0 0 7 0M9 9.6v.2M15 9.6v.2" />
  </Icon>
);
export const HandIcon = () => (
  <Icon>
    <path d="M8 12.5V6a1.4 1.4 0 0 1 2.8 0v5M10.8 11V4.6a1.4 1.4 0 0 1 2.8 0V11M13.6 11V6a1.4 1.4 0 0 1 2.8 0v8.2c0 3.6-2 6.3-5.2 6.3-2.3 0-3.6-1-4.6-2.8l-2-3.6c-.8-1.6 1.2-2.7 2.2-1.4l1.2 1.6" />
  </Icon>
);
export const GridIcon = () => (
  <Icon>
    <rect x="3.5" y="4.5" width="7.5" height="6.5" rx="1.3" />
    <rect x="13" y="4.5" width="7.5" height="6.5" rx="1.3" />
    <rect x="3.5" y="13" width="7.5" height="6.5" rx="1.3" />
    <rect x="13" y="13" width="7.5" height="6.5" rx="1.3" />
  </Icon>
);
export const SpeakerViewIcon = () => (
  <Icon>
    <rect x="3.5" y="4" width="17" height="10" rx="1.5" />
    <rect x="3.5" y="16.5" width="4.5" height="3.5" rx="0.8" />
    <rect x="9.75" y="16.5" width="4.5" height="3.5" rx="0.8" />
    <rect x="16" y="16.5" width="4.5" height="3.5" rx="0.8" />
  </Icon>
);
export const SettingsIcon = () => (
  <Icon>
    <path d="M4 7h9M17 7h3M4 17h3M11 17h9" />
    <circle cx="15" cy="7" r="2.2" />
    <circle cx="9" cy="17" r="2.2" />
  </Icon>
);
export const PinIcon = () => (
  <Icon>
    <path d="M9 4h6l-.8 6 3.3 3.5H6.5L9.8 10zM12 13.5V20" />
  </Icon>
);
export const SignalIcon = () => (
  <Icon>
    <path d="M4 19v-4M9.3 19v-7.5M14.7 19V8M20 19V5" />
  </Icon>
);
export const LockIcon = () => (
  <Icon>
    <rect x="5.5" y="10.5" width="13" height="9.5" rx="2" />
    <path d="M8.5 10.5V7.7a3.5 3.5 0 0 1 7 0v2.8" />
  </Icon>
);
export const EventsIcon = () => (
  <Icon>
    <path d="M12 4v16M4.5 7.5H9M4.5 12H9M4.5 16.5H9M15 7.5h4.5M15 12h4.5M15 16.5h4.5" />
  </Icon>
);
