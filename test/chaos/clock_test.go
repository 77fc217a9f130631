//go:build linux && amd64

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// The machine's clock is set hours ahead, then behind, then right. Who is there stays
// there, and comes back with the token that it has; who comes needs a token that is valid
// by the clock; receivers whose own clock is right refuse what is signed by a wrong one,
// and in the end have every event once, in order. A recording lasts as long as it took.
func TestClockThatIsSetDisturbsNobody(t *testing.T) {
	t.Parallel() // it waits most of the time
	m := newMeeting(t)
	recording := m.record("speaker")
	clock := takeClock(t, m.s.cmd.Process.Pid)
	m.wantClock(0)
	resumes, restarts := m.enter("resumes"), m.enter("restarts")
	_, backend := m.wantToken(resumes), m.wantToken(restarts)
	var stays *guest // somebody who comes when the clock is ahead, and goes when it is behind
	for i, ahead := range []time.Duration{3 * time.Hour, -3 * time.Hour, 0} {
		clock.set(ahead)
		m.wantClock(ahead)
		m.wantAlive()
		m.comeBack(resumes)
		restarts = m.startOver(restarts)
		for _, g := range []*guest{resumes, restarts} {
			// By the right clock it is valid, and for no longer than the backend has said.
			if now := m.wantToken(g); now.ExpiresAt.After(backend.ExpiresAt) {
				m.t.Errorf("clock %v: a token until %v, the backend's was until %v", ahead, now.ExpiresAt, backend.ExpiresAt)
			}
		}
		if stays != nil {
			m.comeBack(stays)
			stays.leave(true)
			stays = nil
		}
		if ahead != 0 {
			m.wantRefused(map[bool]string{true: "expired", false: "not valid yet"}[ahead > 0])
		}
		m.gs.ahead = ahead
		guest := m.enter(fmt.Sprintf("guest-%d", i))
		m.must(guest.publish(t.Context()))
		guest.leave(true)
		if ahead > 0 {
			stays = m.enterRoom("aside", "stays")
		}
		m.gs.ahead = 0
		m.wantAlive()
	}
	resumes.leave(true)
	restarts.leave(true)
	recording.wantWhole()
	var records []*record
	m.s.poll("the room aside to end", func() error {
		records = m.s.read(0)
		for _, r := range records {
			if r.Room == "aside" && event.Name(r.Name) == event.RoomFinished {
				return nil
			}
		}
		return errors.New("it goes on")
	})
	m.backend.wantOnceInOrder(t, records)
	wantDurations(t, records)
}

// wantOnceInOrder waits until every record was accepted, each once and those of a room in
// order, and says that there was something to refuse.
func (b *backend) wantOnceInOrder(t *testing.T, records []*record) {
	t.Helper()
	want, got, missing := map[string][]string{}, map[string][]string{}, map[string]bool{}
	for _, r := range records {
		if d, _ := event.Lookup(event.Name(r.Name)); d.Stock {
			want[r.Room] = append(want[r.Room], r.ID)
			missing[r.ID] = true
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	known := maps.Clone(missing)
	deliveries, err := b.sink.WaitFor(ctx, func(all []webhooksink.Delivery) bool {
		for _, d := range webhooksink.Accepted(all) {
			delete(missing, d.ID())
		}
		return len(missing) == 0
	})
	if err != nil {
		t.Fatalf("%d events were not accepted: %v", len(missing), err)
	}
	refused := 0
	for _, d := range deliveries {
		switch {
		case d.Accepted() && known[d.ID()]:
			got[d.Room()] = append(got[d.Room()], d.ID())
		case d.Invalid != "":
			refused++
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("accepted events, by room (-happened +accepted):\n%s", diff)
	}
	if refused == 0 {
		t.Error("no signature was of a wrong time")
	}
}

// comeBack has g lose its signal connection and resume its session.
func (m *meeting) comeBack(g *guest) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	before := g.token()
	m.must(g.comeBack(ctx, m.gs))
	m.s.poll("a token for the next time", func() error {
		if g.token() == before {
			return errors.New("it has the same")
		}
		return nil
	})
}

// comeBack cuts g's signal connection and resumes the session with its newest token.
func (g *guest) comeBack(ctx context.Context, gs *guests) error {
	_ = g.socket.CloseNow()
	<-g.done
	g.heardMu.Lock()
	sid, bearer := g.sid, g.bearer
	g.heardMu.Unlock()
	socket, err := gs.open(ctx, bearer, url.Values{"reconnect": {"1"}, "sid": {sid}})
	if err != nil {
		return err
	}
	g.writes.Lock()
	g.socket = socket
	g.writes.Unlock()
	g.back, g.done = make(chan struct{}), make(chan struct{})
	go g.run(g.done)
	return g.await(ctx, g.back)
}

// token returns the newest that g was given.
func (g *guest) token() string {
	g.heardMu.Lock()
	defer g.heardMu.Unlock()
	return g.bearer
}

// startOver has g leave, and come with a new session and the token that it has.
func (m *meeting) startOver(g *guest) *guest {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g.leave(true)
	next, err := m.gs.dialBy(ctx, g.token(), livekit.SignalTarget_SUBSCRIBER, livekit.SignalTarget_PUBLISHER)
	m.must(err)
	m.must(next.await(ctx, next.active))
	return next
}

// wantToken returns what the newest token of g says, which is to be valid by the right clock.
func (m *meeting) wantToken(g *guest) *token.Claims {
	m.t.Helper()
	claims, err := token.Verify(g.token(), token.Keys{apiKey: apiSecret}, time.Now())
	m.must(err)
	return claims
}

// wantClock says how far the server's clock is ahead.
func (m *meeting) wantClock(ahead time.Duration) {
	m.t.Helper()
	m.s.poll("the clock to be set", func() error {
		resp, err := http.Get(m.s.url)
		if err != nil {
			return err
		}
		resp.Body.Close()
		at, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			return err
		}
		if off := time.Until(at) - ahead; off.Abs() > time.Minute {
			return fmt.Errorf("it is %v", at)
		}
		return nil
	})
}

// wantRefused says that a token of the right time is of the wrong one here.
func (m *meeting) wantRefused(why string) {
	m.t.Helper()
	bearer, err := mint(&token.Claims{Identity: "late", Video: &token.VideoGrant{RoomJoin: true, Room: "demo"}})
	m.must(err)
	resp, err := http.Get(m.s.url + "/rtc/validate?access_token=" + bearer)
	m.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	m.must(err)
	if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(text), why) {
		m.t.Errorf("%d %s, want %s", resp.StatusCode, text, why)
	}
}

// wantDurations says that nothing lasted for less than no time, or for hours.
func wantDurations(t *testing.T, records []*record) {
	t.Helper()
	seen := 0
	for _, r := range records {
		var body map[string]any
		if err := json.Unmarshal(r.Body, &body); err != nil {
			t.Fatal(err)
		}
		var look func(v any)
		look = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				for key, of := range v {
					if ms, ok := of.(float64); ok && key == "durationMs" {
						seen++
						if took := time.Duration(ms) * time.Millisecond; took < 0 || took > time.Hour {
							t.Errorf("%v says that it lasted for %v", r, took)
						}
					}
					look(of)
				}
			case []any:
				for _, of := range v {
					look(of)
				}
			}
		}
		look(body)
	}
	if seen == 0 {
		t.Error("no event says how long anything lasted")
	}
}
