import { useEffect, useState } from 'react';
import { RoomAudioRenderer, RoomContext } from '@livekit/components-react';
import { Bar } from './call/Bar';
import { Chat } from './call/Chat';
import { Controls } from './call/Controls';
import { People } from './call/People';
import { FloatingReactions, useReactions } from './call/Reactions';
import { Stage } from './call/Stage';
import { clientEvents } from './events/catalogue';
import { EventsDrawer } from './events/EventsDrawer';
import { seenCount } from './events/log';
import { useClientLog } from './events/useClientLog';
import { Lobby } from './Lobby';
import { RollPanel } from './roll/RollPanel';
import { useRoll } from './roll/useRoll';
import { usePreferences, type KeptPreferences } from './session/preferences';
import { useSession, type Phase, type Session } from './session/useSession';
import { Notices } from './ui/Notices';
import { Tabs } from './ui/Tabs';
import { useWide } from './ui/useWide';
import { useJoinForm } from './useJoinForm';

// What a narrow page shows; a wide one shows the room and the roll always, and
// beside them chat or people.
type Pane = 'room' | 'roll' | 'events' | 'chat' | 'people';

export function App() {
  const { log, watch } = useClientLog();
  const preferences = usePreferences();
  const session = useSession(watch);
  const roll = useRoll(session.roll);
  const form = useJoinForm(session, preferences.values);
  const wide = useWide();
  const [pane, setPane] = useState<Pane>('room');
  const [drawer, setDrawer] = useState(false);
  const [side, setSide] = useState<'chat' | 'people'>('chat');
  const [unread, setUnread] = useState(0);
  const [present, setPresent] = useState(0);

  const { phase } = session;
  const call = phase.kind === 'call' ? phase : undefined;
  const room = call?.room;

  useEffect(() => {
    if (phase.kind === 'call') document.title = `${phase.name} · Rollcall`;
    else document.title = 'Rollcall';
    if (phase.kind === 'lobby') setPane('room');
  }, [phase]);

  const choose = (next: Pane) => {
    setPane(next);
    if (next === 'chat' || next === 'people') setSide(next);
  };
  const tabbed = room !== undefined && !wide;
  const eventsShown = tabbed ? pane === 'events' : drawer;
  const shownSide = wide ? side : pane === 'people' ? 'people' : 'chat';
  const chatVisible = room !== undefined && (wide ? side === 'chat' : pane === 'chat');
  const people = { id: 'people', label: 'People', controls: 'pane-side', count: present, testid: 'tab-people' } as const;
  const chat = { id: 'chat', label: 'Chat', controls: 'pane-side', badge: unread, testid: 'tab-chat' } as const;
  // Where there are tabs, the one that is shown is the main part.
  const mainIf = (...panes: Pane[]) => (tabbed && panes.includes(pane) ? 'main' : undefined);
  const closeDrawer = tabbed ? {} : { onClose: () => setDrawer(false) };
  const place = { room: call?.name ?? roll.ledger.room, identity: room?.localParticipant.identity ?? '', url: location.origin };

  return (
    <RoomContext.Provider value={room}>
      <div
        className="app"
        data-phase={call ? 'call' : 'lobby'}
        data-pane={pane}
        data-roll={session.roll ? 'open' : 'blank'}
        data-drawer={eventsShown ? 'open' : 'closed'}
      >
        <Bar
          room={call && { room: call.room, name: call.name, encrypted: call.cipher !== undefined }}
          events={tabbed ? undefined : { open: drawer, seen: seenCount(log), of: clientEvents.length, toggle: () => setDrawer(!drawer) }}
        />
        {tabbed && (
          <nav className="tabs-main" aria-label="Parts of the page">
            <Tabs
              className="tabs"
              label="Parts of the page"
              selected={pane}
              onSelect={choose}
              tabs={[
                { id: 'room', label: 'Room', controls: 'pane-room' },
                { id: 'roll', label: 'Roll', controls: 'pane-roll', testid: 'tab-roll' },
                { id: 'events', label: 'Events', controls: 'pane-events', testid: 'tab-events' },
                chat,
                people,
              ]}
            />
          </nav>
        )}
        {call ? (
          <Call session={session} call={call} preferences={preferences} hidden={!wide && pane !== 'room'} />
        ) : (
          <main className="room" id="pane-room">
            <Lobby session={session} form={form} preferences={preferences} />
          </main>
        )}
        <section className="roll" id="pane-roll" role={mainIf('roll')} aria-label="The roll" hidden={tabbed ? pane !== 'roll' : drawer}>
          <RollPanel roll={roll} source={session.roll} seenElsewhere={eventsShown} />
        </section>
        {eventsShown && (
          <section className="events" id="pane-events" role={mainIf('events')} aria-label="Events" data-testid="events">
            <EventsDrawer log={log} roll={roll} place={place} room={room} {...closeDrawer} />
          </section>
        )}
        {room && (
          <section
            className="side"
            id="pane-side"
            role={mainIf('chat', 'people') ?? 'complementary'}
            aria-label="Chat and people"
            hidden={!wide && pane !== 'chat' && pane !== 'people'}
          >
            {wide && (
              <Tabs className="tabs tabs-side" label="Chat and people" selected={side} onSelect={setSide} tabs={[chat, people]} />
            )}
            <Chat hidden={shownSide !== 'chat'} visible={chatVisible} onUnread={setUnread} />
            <People hidden={shownSide !== 'people'} onPresent={setPresent} />
          </section>
        )}
        {room && <RoomAudioRenderer />}
      </div>
    </RoomContext.Provider>
  );
}

interface CallProps {
  session: Session;
  call: Extract<Phase, { kind: 'call' }>;
  preferences: KeptPreferences;
  hidden: boolean;
}

// Call is the stage and the buttons under it.
function Call({ session, call, preferences, hidden }: CallProps) {
  const reactions = useReactions();
  const [pinned, setPinned] = useState<string>();
  return (
    <>
      <main className="room" id="pane-room" hidden={hidden}>
        <Notices notices={session.notices} onDismiss={session.dismiss} />
        <Stage
          mode={preferences.values.view}
          pinned={pinned}
          onPin={setPinned}
          showFlow={preferences.values.showFlow}
          encrypts={call.cipher !== undefined}
        />
        <FloatingReactions all={reactions.all} />
      </main>
      <Controls session={session} call={call} preferences={preferences} sendReaction={reactions.send} onUnpin={() => setPinned(undefined)} />
    </>
  );
}
