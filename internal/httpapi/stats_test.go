package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/figures"
	"github.com/rollcall-rtc/rollcall/internal/histogram"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// memFigures is a server that a test writes.
type memFigures struct {
	mu     sync.Mutex
	lines  []room.Overview // mu guards
	people []room.Person   // mu guards; of the room den, which is not there without them
}

func (m *memFigures) Overviews(context.Context) ([]room.Overview, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]room.Overview(nil), m.lines...), nil
}

func (m *memFigures) Figures(_ context.Context, name string, _ ...string) (*room.Figures, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name != "den" || len(m.people) == 0 {
		return nil, room.ErrRoomNotFound
	}
	return &room.Figures{Room: &livekit.Room{Name: name, Sid: "RM_den"}, Participants: append([]room.Person(nil), m.people...)}, nil
}

func (m *memFigures) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *memFigures) Stats() room.Stats               { return room.Stats{Rooms: 3} }
func (m *memFigures) Traffic() peer.Traffic           { return peer.Traffic{} }
func (m *memFigures) First() uint64                   { return 1 }
func (m *memFigures) Last() uint64                    { return 9 }
func (m *memFigures) DiskUsage() uint64               { return 0 }
func (m *memFigures) CommitTimes() histogram.Snapshot { return histogram.Snapshot{} }

// watched serves the figures of m in a bubble, while f runs.
func watched(t *testing.T, m *memFigures, f func(t *testing.T, p *pipes, drain chan struct{})) {
	synctest.Test(t, func(t *testing.T) {
		drain := make(chan struct{}) // of this bubble
		watch := figures.Start(figures.Sources{Rooms: m, Media: m, Log: m, Waiting: func() int { return 0 }})
		defer watch.Close()
		serveInBubble(t, newMemLog(), drain, func(t *testing.T, p *pipes) { f(t, p, drain) }, func(o *Options) {
			o.Figures = &Figures{Lobby: figures.NewLobby(m), Rooms: m, Node: watch, Version: "v1"}
		})
	})
}

// messages reads the messages of a stream of figures, whose names are event.
func messages(t *testing.T, resp *http.Response, event string) func(into any) {
	t.Helper()
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || ct != "text/event-stream" {
		t.Fatalf("got %d %s", resp.StatusCode, ct)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return func(into any) {
		t.Helper()
		for named := false; lines.Scan(); {
			text, isData := strings.CutPrefix(lines.Text(), "data: ")
			named = named || lines.Text() == "event: "+event
			if isData {
				if err := json.Unmarshal([]byte(text), into); err != nil || !named {
					t.Fatalf("%q: %v", text, err)
				}
				return
			}
		}
		t.Fatalf("the stream has ended: %v", lines.Err())
	}
}

func watch(t *testing.T, p *pipes, path string) *http.Response {
	t.Helper()
	conn := p.dial(t, path, "Accept: text/event-stream")
	t.Cleanup(func() { _ = conn.Close() })
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestStreamOfRoomsSendsWhatChanged(t *testing.T) {
	m := &memFigures{lines: []room.Overview{{Name: "attic", SID: "RM_a"}, {Name: "den", SID: "RM_d", Participants: 1}}}
	watched(t, m, func(t *testing.T, p *pipes, drain chan struct{}) {
		resp := watch(t, p, "/stats/rooms")
		next := messages(t, resp, "rooms")
		var got roomsJSON
		next(&got)
		if !got.Full || len(got.Rooms) != 2 || len(got.Gone) != 0 {
			t.Fatalf("first message: %+v", got)
		}
		m.change(func() { m.lines[1].Participants = 2 })
		got = roomsJSON{}
		next(&got)
		if got.Full || len(got.Rooms) != 1 || got.Rooms[0].Name != "den" || got.Rooms[0].Participants != 2 || len(got.Gone) != 0 {
			t.Errorf("after a change: %+v", got)
		}
		m.change(func() { m.lines = m.lines[:1] })
		got = roomsJSON{}
		next(&got)
		if got.Full || len(got.Rooms) != 0 || len(got.Gone) != 1 || got.Gone[0] != "RM_d" {
			t.Errorf("after an end: %+v", got)
		}
		start := time.Now()
		line, err := bufio.NewReader(resp.Body).ReadString('\n')
		if err != nil || line != ": keep-alive\n" || time.Since(start) < keepAlive-2*time.Second {
			t.Errorf("while nothing changes: %q after %v, %v", line, time.Since(start), err)
		}
		close(drain) // the stream ends, as the test does
	})
}

func TestStreamOfARoomTellsInfoOnceAndFollowsItsEnd(t *testing.T) {
	info := &livekit.ParticipantInfo{Sid: "PA_1", Identity: "ana"}
	m := &memFigures{people: []room.Person{{Info: info, Quality: "good"}, {Info: &livekit.ParticipantInfo{Sid: "PA_2", Identity: "ben"}}}}
	watched(t, m, func(t *testing.T, p *pipes, _ chan struct{}) {
		next := messages(t, watch(t, p, "/stats/rooms/den?detail=ana"), "room")
		type message struct {
			Full, Live   bool
			Order        []string
			Participants []struct {
				SID, Quality string
				Info         *struct{ Identity string }
			}
		}
		var got message
		next(&got)
		if !got.Full || !got.Live || len(got.Participants) != 2 || got.Participants[0].Info.Identity != "ana" || strings.Join(got.Order, " ") != "PA_1 PA_2" {
			t.Fatalf("first message: %+v", got)
		}
		m.change(func() { m.people[0].Quality = "poor" })
		got = message{}
		next(&got)
		if got.Full || len(got.Participants) != 1 || got.Participants[0].SID != "PA_1" || got.Participants[0].Quality != "poor" || got.Participants[0].Info != nil {
			t.Errorf("after a change of figures: %+v", got)
		}
		m.change(func() { m.people[0].Info = &livekit.ParticipantInfo{Sid: "PA_1", Identity: "ana", Name: "Ana"} })
		got = message{}
		next(&got)
		if len(got.Participants) != 1 || got.Participants[0].Info == nil {
			t.Errorf("after a change of info: %+v", got)
		}
		people := m.people
		m.change(func() { m.people = nil })
		got = message{}
		next(&got)
		if got.Live || len(got.Order) != 0 {
			t.Errorf("after its end: %+v", got)
		}
		m.change(func() { m.people = people })
		got = message{}
		next(&got)
		if !got.Full || !got.Live || len(got.Participants) != 2 || got.Participants[0].Info == nil {
			t.Errorf("when it opens again: %+v", got)
		}
	})
}

func TestStreamOfTheNodeBeginsWithItsHistory(t *testing.T) {
	watched(t, &memFigures{}, func(t *testing.T, p *pipes, _ chan struct{}) {
		time.Sleep(11 * time.Second)
		next := messages(t, watch(t, p, "/stats/node"), "node")
		var got nodeJSON
		next(&got)
		if len(got.History) != 3 || got.Version != "v1" || got.Now.Log.Last != 9 {
			t.Errorf("first message: %+v", got)
		}
		before := got.Now.At
		got = nodeJSON{}
		next(&got)
		if len(got.History) != 0 || got.Now.At.Sub(before) != time.Second {
			t.Errorf("second message: %+v", got)
		}
	})
}

func TestFiguresAreForWhoMayReadEvents(t *testing.T) {
	m := &memFigures{lines: []room.Overview{{Name: "attic", SID: "RM_a"}, {Name: "den", SID: "RM_d"}}}
	m.people = []room.Person{{Info: &livekit.ParticipantInfo{Sid: "PA_1"}}}
	watch := figures.Start(figures.Sources{Rooms: m, Media: m, Log: m, Waiting: func() int { return 0 }})
	t.Cleanup(watch.Close)
	a := newAPI(t, func(o *Options) { o.Figures = &Figures{Lobby: figures.NewLobby(m), Rooms: m, Node: watch} })
	get := func(path string, c token.Claims) *http.Response {
		t.Helper()
		return a.request(t, "GET", path, "", "Authorization", "Bearer "+mint(t, c))
	}
	for _, path := range []string{"/stats/rooms", "/stats/rooms/den", "/stats/node"} {
		wantError(t, a.request(t, "GET", path, ""), 401, "unauthenticated", "token")
		wantError(t, get(path, token.Claims{Video: &token.VideoGrant{RoomList: true, RoomCreate: true}}), 403, "permission_denied", "rollcall.events")
		wantError(t, newAPI(t).request(t, "GET", path, "", "Authorization", "Bearer "+mint(t, eventsGrant())), 404, "unimplemented", "figures")
	}
	wantError(t, get("/stats/node", adminOf("den")), 403, "permission_denied", "rollcall.events")
	wantError(t, get("/stats/rooms/attic", adminOf("den")), 403, "permission_denied", "den")
	wantError(t, get("/stats/rooms/cellar", eventsGrant()), 404, "not_found", "cellar")
	if resp := get("/stats/rooms/den", adminOf("den")); resp.StatusCode != 200 || !strings.Contains(text(t, resp), `"PA_1"`) {
		t.Errorf("the admin of a room: %d", resp.StatusCode)
	}
	if got := text(t, get("/stats/rooms", adminOf("den"))); strings.Contains(got, "RM_a") || !strings.Contains(got, "RM_d") {
		t.Errorf("the admin of a room sees %s", got)
	}
	if got := text(t, get("/stats/rooms", eventsGrant())); !strings.Contains(got, "RM_a") || !strings.Contains(got, "RM_d") {
		t.Errorf("who may read all events sees %s", got)
	}
	if resp := get("/stats/node", eventsGrant()); resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the node: %d", resp.StatusCode)
	}
}
