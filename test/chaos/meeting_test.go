package chaos

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// meeting is what a worst day must not disturb: two people in the room demo, of
// whom one speaks and the other hears it.
type meeting struct {
	t       *testing.T
	s       *server
	backend *backend
	gs      *guests
	before  usage  // with both of them there
	spare   uint64 // by how many bytes the heap may differ although nothing has leaked
	idle    int    // by how many goroutines, as well

	speaker, listener *guest
}

// keeps is what a server has once many events were written, in bytes: the cache of the log,
// the memtable that it writes to and the one before it, and the newest events for webhooks,
// 16 MiB each.
const keeps = 64 << 20

// kept is how many goroutines the connections have that deliver the events of so many rooms at
// a time. They are kept for 90 s, up to 64 of them, in case that there are more events.
func kept(rooms int) int { return 2 * min(rooms, 64) }

// newMeeting starts a server and a meeting on it. At the end of the test it goes
// on, the server gives back what others made it hold, and its log tells a sound
// story.
func newMeeting(t *testing.T) *meeting { return newMeetingOf(t, raced) }

// newMeetingOf is newMeeting with that server.
func newMeetingOf(t *testing.T, program string) *meeting {
	t.Helper()
	b := newBackend(t)
	s := newServer(t, b.url)
	s.program = program
	s.start()
	m := &meeting{t: t, s: s, backend: b, gs: newGuests(s.url), spare: 16 << 20, idle: 16}
	ctx, cancel := context.WithCancel(context.Background())
	// The first one pays for what is made once.
	first := m.enter("first")
	m.must(first.publish(ctx))
	first.leave(true)
	m.speaker, m.listener = m.enter("speaker"), m.enter("listener")
	m.must(m.speaker.publish(ctx))
	spoken := make(chan struct{})
	go func() {
		defer close(spoken)
		m.speaker.speak(ctx, 50*time.Millisecond)
	}()
	t.Cleanup(func() {
		if s.cmd != nil && !t.Failed() {
			m.end()
		}
		cancel()
		<-spoken
		m.speaker.leave(true)
		m.listener.leave(true)
	})
	m.wantAlive()
	m.before = s.usage()
	return m
}

// in is m for a test within its test.
func (m *meeting) in(t *testing.T) *meeting {
	in, s := *m, *m.s
	in.t, in.s, s.t = t, &s, t
	return &in
}

func (m *meeting) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// enter brings somebody in, until its transport is up.
func (m *meeting) enter(identity string) *guest {
	m.t.Helper()
	return m.enterRoom("demo", identity)
}

func (m *meeting) enterRoom(room, identity string) *guest {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g, err := m.gs.enter(ctx, room, identity, true)
	m.must(err)
	m.must(g.await(ctx, g.active))
	return g
}

// wantAlive waits until the listener has heard more than until now.
func (m *meeting) wantAlive() {
	m.t.Helper()
	const more = 20
	from := m.listener.packets()
	m.s.poll("the listener to hear the speaker", func() error {
		for _, g := range []*guest{m.speaker, m.listener} {
			select {
			case <-g.done:
				m.t.Fatalf("the meeting lost somebody: %v", g.err)
			default:
			}
		}
		if n := m.listener.packets(); n < from+more {
			return fmt.Errorf("%d packets, from %d", n, from)
		}
		return nil
	})
}

// wantBounded says that the server holds at most so much more than before.
func (m *meeting) wantBounded(goroutines int, heap uint64) {
	m.t.Helper()
	now := m.s.usage()
	m.t.Logf("before %+v, now %+v", m.before, now)
	if now.goroutines > m.before.goroutines+goroutines || now.heap > m.before.heap+heap {
		m.t.Errorf("holds %+v, and held %+v before", now, m.before)
	}
}

// wantCutOff waits for the end of the signal connection of g, and that client and
// log have these words about it.
func (m *meeting) wantCutOff(g *guest, client, log string) {
	m.t.Helper()
	select {
	case <-g.done:
	case <-time.After(patience):
		m.t.Fatalf("the offender is still there after %v", patience)
	}
	if client != "" && !strings.Contains(g.err.Error(), client) {
		m.t.Errorf("the client saw %q, want %q", g.err, client)
	}
	m.wantLogged(log)
}

func (m *meeting) wantLogged(words string) {
	m.t.Helper()
	m.s.poll("the log to say "+words, func() error {
		if !strings.Contains(m.s.tail(1000), words) {
			return fmt.Errorf("it ends with %s", m.s.tail(3))
		}
		return nil
	})
}

// end is what has to hold after a worst day.
func (m *meeting) end() {
	m.t.Helper()
	m.wantAlive()
	m.s.poll("everything to be given back", func() error {
		now := m.s.usage()
		if now.goroutines > m.before.goroutines+m.idle || now.heap > m.before.heap+m.spare {
			return fmt.Errorf("%+v, and was %+v", now, m.before)
		}
		m.t.Logf("before %+v, after %+v", m.before, now)
		return nil
	})
	story := newStory()
	for _, r := range m.s.read(0) {
		if err := story.add(r); err != nil {
			m.t.Error(err)
			return
		}
	}
}
