package delivery

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// endlessLog is a log of n events that are made when they are read: room i%rooms
// for event i.
type endlessLog struct {
	n, rooms uint64
	damaged  uint64 // cannot be read
	cursors  map[string][]byte
	reads    int
}

var endlessBody = make([]byte, 1024)

func (l *endlessLog) Last() uint64 { return l.n }

func (l *endlessLog) Wait(ctx context.Context, after uint64) error {
	if after < l.n {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (l *endlessLog) Read(_ context.Context, after uint64, limit int) ([]event.Record, error) {
	l.reads++
	recs := make([]event.Record, 0, limit)
	for seq := after + 1; seq <= min(l.n, after+uint64(limit)); seq++ {
		if seq == l.damaged {
			if len(recs) == 0 {
				return nil, &eventlog.CorruptError{Seq: seq}
			}
			break
		}
		recs = append(recs, event.Record{Seq: seq, Room: fmt.Sprint("room", seq%l.rooms), Body: endlessBody})
	}
	return recs, nil
}

func (l *endlessLog) LoadCursors(string) (map[string][]byte, error) { return l.cursors, nil }

func (l *endlessLog) SaveCursors(puts map[string][]byte, deletes []string) {}

// loopOf returns an endpoint that starts at the beginning of log, without its
// goroutine: the test is its loop.
func loopOf(t *testing.T, log *endlessLog) *endpoint {
	t.Helper()
	o := Options{Log: log, Cursors: log, Endpoints: []Endpoint{{ID: "ep", URL: "http://127.0.0.1:1/", APIKey: "k", Secret: "s"}}}
	o.setDefaults()
	if err := o.validate(); err != nil {
		t.Fatal(err)
	}
	ep, err := newEndpoint(o.Endpoints[0], newFeed(log, o.Logger), &o)
	if err != nil {
		t.Fatal(err)
	}
	if err := ep.restore(storedState{known: true}, log.n); err != nil {
		t.Fatal(err)
	}
	return ep
}

// turns lets the loop read as much as it wants, while every attempt is answered
// by fate: true accepts.
func turns(ep *endpoint, now *time.Time, n int, fate func(*lane) bool) {
	for range n {
		ep.expire(*now)
		for range 10_000 {
			if !ep.wantsRefill(*now) {
				break
			}
			ep.refill(context.Background(), *now)
		}
		trials := slices.Clone(ep.trials)
		ep.trials = nil
		for _, l := range trials {
			l.flying, ep.inFlight = true, ep.inFlight+1
			r := result{job: job{lane: l, trial: true, seq: l.items[1].seq}, status: 200}
			if !fate(l) {
				r.status = 500
			}
			ep.finish(r, *now)
		}
		anyLane, fresh, probe := ep.breaker.slots(*now, 0)
		var l *lane
		switch {
		case probe:
			l = ep.pickProbe()
		case anyLane > 0:
			l = ep.pick()
		case fresh > 0 && ep.fresh.len() > 0:
			l = ep.fresh.pop()
		}
		if l == nil {
			*now = now.Add(100 * time.Millisecond)
			continue
		}
		if probe {
			ep.breaker.probed()
		}
		l.flying, ep.inFlight = true, ep.inFlight+1
		l.attempts++
		r := result{job: job{lane: l, probe: probe}, status: 200}
		if !fate(l) {
			r.status = 500
		}
		ep.finish(r, *now)
	}
}

func held(ep *endpoint) (items, bytes int) {
	for _, l := range ep.lanes {
		items += len(l.items)
		for _, it := range l.items {
			if it.rec != nil {
				bytes += len(it.rec.Body)
			}
		}
	}
	return items, bytes
}

func TestBacklogOfAnyLengthTakesBoundedMemory(t *testing.T) {
	for _, rooms := range []uint64{1, 10, 100, 100_000} {
		t.Run(fmt.Sprint(rooms, " rooms"), func(t *testing.T) {
			ep := loopOf(t, &endlessLog{n: 300_000, rooms: rooms})
			now := time.Now()
			turns(ep, &now, 10_000, func(*lane) bool { return false })
			items, bytes := held(ep)
			if len(ep.lanes) > ep.opts.MaxLanes || items > len(ep.lanes)*ep.opts.Window || bytes > retainBytes {
				t.Errorf("down: %d lanes hold %d events and %d bytes", len(ep.lanes), items, bytes)
			}
			if bytes != ep.retained {
				t.Errorf("%d bytes held, %d counted", bytes, ep.retained)
			}
			if rooms > 1000 && len(ep.lanes) > 2000 {
				t.Errorf("%d lanes while nothing is accepted: the log is read ahead for nothing", len(ep.lanes))
			}
			if s := ep.stats(); s.Lag != 300_000 {
				t.Errorf("lag %d", s.Lag)
			}
		})
	}
}

func TestBacklogIsDeliveredWholeAndInOrder(t *testing.T) {
	const n = 20_000
	for _, tc := range []struct {
		name    string
		rooms   uint64
		damaged uint64
	}{{"one room", 1, 0}, {"ten rooms", 10, 0}, {"more rooms than lanes", 6000, 0}, {"a damaged record", 10, 77}} {
		t.Run(tc.name, func(t *testing.T) {
			log := &endlessLog{n: n, rooms: tc.rooms, damaged: tc.damaged}
			ep := loopOf(t, log)
			last := make(map[laneKey]uint64)
			count := 0
			now := time.Now()
			turns(ep, &now, n+100, func(l *lane) bool {
				h := l.head()
				if h.seq <= last[l.key] {
					t.Fatalf("%v: %d after %d", l.key, h.seq, last[l.key])
				}
				if want := last[l.key] + tc.rooms; last[l.key] != 0 && h.seq != want && want != tc.damaged {
					t.Fatalf("%v: %d after %d", l.key, h.seq, last[l.key])
				}
				if h.prev != last[l.key] && h.prev != 0 {
					t.Fatalf("%v: %d says it follows %d, it follows %d", l.key, h.seq, h.prev, last[l.key])
				}
				last[l.key] = h.seq
				count++
				return true
			})
			want := n
			if tc.damaged != 0 {
				want--
			}
			if s := ep.stats(); count != want || s.Lag != 0 || s.Lanes != 0 || ep.retained != 0 {
				t.Errorf("%d of %d delivered, %+v, %d bytes held", count, want, s, ep.retained)
			}
			if log.reads > 40*n/scanChunk {
				t.Errorf("%d reads for %d records", log.reads, n)
			}
		})
	}
}

// TestLongBlockedRoomsCatchUp: their windows overflow while others go on, and
// what they missed is read again, also after a restart.
func TestLongBlockedRoomsCatchUp(t *testing.T) {
	const n = 20_000
	log := &endlessLog{n: n, rooms: 20}
	ep := loopOf(t, log)
	now := time.Now()
	blocked := func(l *lane) bool { return l.key.name == "room3" || l.key.name == "room7" }
	turns(ep, &now, 25_000, func(l *lane) bool { return !blocked(l) })
	items, _ := held(ep)
	if len(ep.lanes) != 2 || items != 2*ep.opts.Window {
		t.Fatalf("%d lanes with %d events are left, want two full windows", len(ep.lanes), items)
	}
	if s := ep.stats(); s.Lag != 2*n/20 {
		t.Errorf("lag %d, want %d", s.Lag, 2*n/20)
	}
	state := storedState{known: true, cursor: endpointCursor{After: ep.scan}, lanes: make(map[laneKey]laneCursor)}
	for key, l := range ep.lanes {
		state.lanes[key] = l.cursor()
	}
	for name, again := range map[string]*endpoint{"at once": ep, "after a restart": loopOf(t, log)} {
		if again != ep {
			if err := again.restore(state, log.n); err != nil {
				t.Fatal(err)
			}
		}
		got := make(map[laneKey]int)
		later := now.Add(time.Hour)
		turns(again, &later, 3*n/20, func(l *lane) bool { got[l.key]++; return true })
		if len(got) != 2 || got[laneKey{roomLane, "room3"}] != n/20 || got[laneKey{roomLane, "room7"}] != n/20 {
			t.Errorf("%s: %v", name, got)
		}
		if s := again.stats(); s.Lag != 0 || s.Lanes != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
