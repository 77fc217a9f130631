import { lazy, type ComponentType, type ReactNode } from 'react';
import type { Bearer } from './session/useSession';
import { DeliveriesIcon, IngressIcon, NodeIcon, RecordingsIcon, RoomsIcon, StoryIcon } from './ui/icons';

// Page is an entry of the navigation with what is below it.
export interface Page {
  // Below /dashboard; its pages are at this path and below.
  path: string;
  label: string;
  icon: ReactNode;
  // What the token lacks for it, in words; undefined when it lacks nothing.
  lacks: (bearer: Bearer) => string | undefined;
  // Draws everything below the path, with routes of its own.
  view: ComponentType;
}

const grant = (name: string) => `This token lacks the grant ${name}. A token made with “rollcall token create --dashboard” has it.`;

// pages are in the order of the navigation; the first one is the home page. Each is
// a file of its own for the browser, fetched when it is looked at.
export const pages: readonly Page[] = [
  {
    path: '/rooms',
    label: 'Rooms',
    icon: <RoomsIcon />,
    lacks: (bearer) => (bearer.events ? undefined : grant('rollcall.events')),
    view: lazy(() => import('./rooms/Rooms')),
  },
  {
    path: '/story',
    label: 'Story',
    icon: <StoryIcon />,
    lacks: (bearer) => (bearer.events ? undefined : grant('rollcall.events')),
    view: lazy(() => import('./story/Story')),
  },
  {
    path: '/recordings',
    label: 'Recordings',
    icon: <RecordingsIcon />,
    lacks: (bearer) => (bearer.admin && bearer.room === '' ? undefined : grant('rollcall.admin for all rooms')),
    view: lazy(() => import('./recordings/Recordings')),
  },
  {
    path: '/deliveries',
    label: 'Deliveries',
    icon: <DeliveriesIcon />,
    lacks: (bearer) => (bearer.endpoints ? undefined : grant('rollcall.endpoints')),
    view: lazy(() => import('./deliveries/Deliveries')),
  },
  {
    path: '/ingress',
    label: 'Ingress',
    icon: <IngressIcon />,
    lacks: (bearer) => (bearer.admin && bearer.room === '' ? undefined : grant('rollcall.admin for all rooms')),
    view: lazy(() => import('./ingress/Ingress')),
  },
  {
    path: '/node',
    label: 'Node',
    icon: <NodeIcon />,
    lacks: (bearer) => (bearer.events && bearer.room === '' ? undefined : grant('rollcall.events for all rooms')),
    view: lazy(() => import('./node/Node')),
  },
];
