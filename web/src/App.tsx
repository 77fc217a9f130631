import { useEffect, useState } from 'react';
import { RoomAudioRenderer, RoomContext } from '@livekit/components-react';
import { Bar } from './call/Bar';
import { Chat } from './call/Chat';
import { Controls } from './call/Controls';
import { People } from './call/People';
import { Stage } from './call/Stage';
import { Lobby } from './Lobby';
import { RollPanel } from './roll/RollPanel';
import { useRoll } from './roll/useRoll';
import { useSession } from './session/useSession';
import { Notices } from './ui/Notices';
import { Tabs } from './ui/Tabs';
import { useWide } from './ui/useWide';
import { useJoinForm } from './useJoinForm';

// What a narrow page shows; a wide one shows the room and the roll always, and
// beside them chat or people.
type Pane = 'room' | 'roll' | 'chat' | 'people';

export function App() {
  const session = useSession();
  const roll = useRoll(session.roll);
  const form = useJoinForm(session);
  const wide = useWide();
  const [pane, setPane] = useState<Pane>('room');
  const [side, setSide] = useState<'chat' | 'people'>('chat');
  const [unread, setUnread] = useState(0);
  const [present, setPresent] = useState(0);

  const { phase } = session;
  const room = phase.kind === 'call' ? phase.room : undefined;

  useEffect(() => {
    if (phase.kind === 'call') document.title = `${phase.name} · Rollcall`;
    else document.title = 'Rollcall';
    if (phase.kind === 'lobby') setPane('room');
  }, [phase]);

  const choose = (next: Pane) => {
    setPane(next);
    if (next === 'chat' || next === 'people') setSide(next);
  };
  const shownSide = wide ? side : pane === 'people' ? 'people' : 'chat';
  const chatVisible = room !== undefined && (wide ? side === 'chat' : pane === 'chat');
  const people = { id: 'people', label: 'People', controls: 'pane-side', count: present, testid: 'tab-people' } as const;
  const chat = { id: 'chat', label: 'Chat', controls: 'pane-side', badge: unread, testid: 'tab-chat' } as const;

  return (
    <RoomContext.Provider value={room}>
      <div className="app" data-phase={phase.kind === 'call' ? 'call' : 'lobby'} data-pane={pane} data-roll={session.roll ? 'open' : 'blank'}>
        <Bar room={phase.kind === 'call' ? phase : undefined} />
        {room && !wide && (
          <nav className="tabs-main" aria-label="Parts of the page">
            <Tabs
              className="tabs"
              label="Parts of the page"
              selected={pane}
              onSelect={choose}
              tabs={[
                { id: 'room', label: 'Room', controls: 'pane-room' },
                { id: 'roll', label: 'Roll', controls: 'pane-roll', testid: 'tab-roll' },
                chat,
                people,
              ]}
            />
          </nav>
        )}
        <main className="room" id="pane-room" hidden={!wide && room !== undefined && pane !== 'room'}>
          {room ? (
            <>
              <Notices notices={session.notices} onDismiss={session.dismiss} />
              <Stage />
            </>
          ) : (
            <Lobby session={session} form={form} />
          )}
        </main>
        {room && <Controls session={session} />}
        <section className="roll" id="pane-roll" aria-label="The roll" hidden={!wide && room !== undefined && pane !== 'roll'}>
          <RollPanel roll={roll} source={session.roll} />
        </section>
        {room && (
          <aside className="side" id="pane-side" aria-label="Chat and people" hidden={!wide && pane !== 'chat' && pane !== 'people'}>
            {wide && (
              <Tabs className="tabs tabs-side" label="Chat and people" selected={side} onSelect={setSide} tabs={[chat, people]} />
            )}
            <Chat hidden={shownSide !== 'chat'} visible={chatVisible} onUnread={setUnread} />
            <People hidden={shownSide !== 'people'} onPresent={setPresent} />
          </aside>
        )}
        {room && <RoomAudioRenderer />}
      </div>
    </RoomContext.Provider>
  );
}
