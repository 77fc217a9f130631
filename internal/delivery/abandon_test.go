package delivery

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// poison refuses the events with these sequence numbers.
func poison(seqs map[uint64]fault) func(*webhooksink.Delivery) fault {
	return func(d *webhooksink.Delivery) fault {
		seq, _ := strconv.ParseUint(d.Header.Get(headerSeq), 10, 64)
		return seqs[seq]
	}
}

func TestHeadThatIsRefusedAloneIsAbandonedWithNotice(t *testing.T) {
	inWorld(t, func(w *world) {
		id := EndpointID("http://a/hook")
		w.sinks["a"].Script(poison(map[uint64]fault{2: {Status: 400, BodySize: 100}}))
		w.emit("blue", 5)
		w.wantWithin(25*time.Second, "a", "blue", 4)
		all := w.sinks["a"].Deliveries()
		var tries int
		for _, d := range all {
			if d.Header.Get(headerSeq) == "2" {
				tries++
			}
		}
		next := all[len(all)-3]
		if tries < 5 || next.Header.Get(headerSeq) != "3" || next.Header.Get(headerGap) != "2" || next.Header.Get(headerPrevSeq) != "2" {
			t.Errorf("%d tries, then %v", tries, next.Header)
		}
		if d := all[len(all)-2]; d.Header.Get(headerGap) != "" {
			t.Errorf("the notice is repeated: %v", d.Header)
		}
		dead, err := w.eng.DeadLetters(bg, id, 0, 10)
		if err != nil || len(dead) != 1 || dead[0].Seq != 2 || dead[0].Room != "blue" || !strings.Contains(dead[0].Reason, "400") ||
			dead[0].EventID == "" || dead[0].Next.IsZero() {
			t.Fatalf("dead letters %+v, %v", dead, err)
		}
		x, err := w.eng.Why(bg, 2)
		if err != nil || x.Endpoints[0].Fate != Abandoned || len(x.Endpoints[0].Attempts) != tries {
			t.Errorf("%+v, %v", x, err)
		}
		time.Sleep(time.Second)
		w.crash()
		if again, err := w.eng.DeadLetters(bg, id, 0, 10); err != nil || len(again) != 1 || again[0] != dead[0] {
			t.Errorf("after a crash %+v, %v", again, err)
		}
		w.sinks["a"].Script(nil)
		w.wantWithin(2*time.Hour, "a", "blue", 5)
		all = w.sinks["a"].Deliveries()
		if last := all[len(all)-1]; last.Header.Get(headerLate) != "true" || last.Header.Get(headerSeq) != "2" {
			t.Errorf("delivered late: %v", last.Header)
		}
		if x, err := w.eng.Why(bg, 2); err != nil || x.Endpoints[0].Fate != Delivered {
			t.Errorf("%+v, %v", x.Endpoints, err)
		}
		if dead, _ := w.eng.DeadLetters(bg, id, 0, 10); len(dead) != 0 {
			t.Errorf("dead letters %+v", dead)
		}
		w.wantWhole("a")
	}, "a")
}

func TestNothingIsAbandonedWhileTheReceiverIsDown(t *testing.T) {
	for _, f := range []fault{{Status: 500}, {Status: 401}, {Reset: true}, {Hang: true}, {Status: 413}} {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return f })
				w.emit("blue", 5)
				w.emit("red", 1)
				time.Sleep(3 * time.Hour)
				w.emit("red", 5)
				time.Sleep(3 * time.Hour)
				w.sinks["a"].Script(nil)
				w.wantWithin(time.Minute, "a", "", 11)
				if s := w.eng.Stats()[0]; s.Abandoned != 0 || s.DeadLetters != 0 {
					t.Errorf("stats %+v", s)
				}
				w.wantWhole("a")
			}, "a")
		})
	}
}

// A receiver that comes back answers here and there as if it were down still.
func TestReceiverThatComesBackUnwellGetsEverythingInOrder(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		for _, d := range []time.Duration{20 * time.Second, 3 * time.Minute, time.Hour} {
			for _, rooms := range []int{1, 4} {
				t.Run(fmt.Sprintf("refuses %v, %v, %d rooms", refuses, d, rooms), func(t *testing.T) {
					inWorld(t, func(w *world) {
						w.comeBackUnwell(refuses, d, rooms)
						w.wantWithin(5*time.Minute, "a", "", 3*rooms)
						if s := w.eng.Stats()[0]; s.Abandoned != 0 || s.DeadLetters != 0 {
							t.Errorf("stats %+v", s)
						}
						w.wantWhole("a")
					}, "a")
				})
			}
		}
	}
}

// comeBackUnwell has events of some rooms wait while the receiver is down, and then
// the first of each room refused once more.
func (w *world) comeBackUnwell(refuses bool, outage time.Duration, rooms int) {
	var mu sync.Mutex
	unwell := map[string]bool{}
	if refuses {
		w.sinks["a"].Script(func(*webhooksink.Delivery) fault { return fault{Status: 503} })
	} else {
		w.pipe.SetDown("a:80", true)
	}
	for i := range rooms {
		w.emit(fmt.Sprint("room", i), 3)
	}
	time.Sleep(outage)
	w.sinks["a"].Script(func(d *webhooksink.Delivery) fault {
		mu.Lock()
		defer mu.Unlock()
		if unwell[d.Room()] {
			return fault{}
		}
		unwell[d.Room()] = true
		return fault{Status: 503}
	})
	w.pipe.SetDown("a:80", false)
}

func TestTooLargeEventIsLeftBehindAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sinks["a"].Script(poison(map[uint64]fault{1: {Status: 413}}))
		w.emit("blue", 3)
		w.wantWithin(100*time.Millisecond, "a", "blue", 2)
	}, "a")
}

func TestBlockKeepsTheRoomWaiting(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.sinks["a"].Script(poison(map[uint64]fault{1: {Status: 400}}))
		w.put(Endpoint{ID: "a", Block: true})
		w.emit("blue", 3)
		w.emit("red", 3)
		time.Sleep(time.Hour)
		w.wantWithin(time.Second, "a", "red", 3)
		w.wantWithin(time.Second, "a", "blue", 0)
		w.sinks["a"].Script(nil)
		w.wantWithin(10*time.Minute, "a", "blue", 3)
		w.wantWhole("a")
	}, "a")
}

func TestRoomWhoseOnlyEventIsRefusedGoesOnWithItsNextOne(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sinks["a"].Script(poison(map[uint64]fault{1: {Status: 400}}))
		w.emit("blue", 1)
		time.Sleep(time.Hour)
		w.emit("blue", 1) // which waits for a probe, not for the minutes between attempts
		w.wantWithin(40*time.Second, "a", "blue", 1)
		d := w.sinks["a"].Deliveries()
		if last := d[len(d)-1]; last.Header.Get(headerGap) != "1" {
			t.Errorf("notice %v", last.Header)
		}
	}, "a")
}

func TestLastEventOfARoomIsGivenUpAfterThreeDaysAndAnnouncedLater(t *testing.T) {
	inWorld(t, func(w *world) {
		w.seldom()
		w.sinks["a"].Script(poison(map[uint64]fault{1: {Status: 400}}))
		w.emit("blue", 1)
		for range 80 {
			time.Sleep(time.Hour)
			w.emit("red", 1)
		}
		w.crash()
		dead, err := w.eng.DeadLetters(bg, EndpointID("http://a/hook"), 0, 10)
		if err != nil || len(dead) != 1 || !dead[0].Next.IsZero() {
			t.Fatalf("%+v, %v", dead, err)
		}
		if x, err := w.eng.Why(bg, 1); err != nil || x.Endpoints[0].Fate != Dead {
			t.Errorf("%+v, %v", x.Endpoints, err)
		}
		w.emit("blue", 2)
		w.wantWithin(time.Second, "a", "blue", 2)
		all := slices.DeleteFunc(w.sinks["a"].Deliveries(), func(d webhooksink.Delivery) bool { return d.Room() != "blue" })
		if first := all[len(all)-2]; first.Header.Get(headerGap) != "1" || all[len(all)-1].Header.Get(headerGap) != "" {
			t.Errorf("notices %v", first.Header)
		}
		// Somebody repairs the receiver and asks.
		w.sinks["a"].Script(nil)
		if n, err := w.eng.Redrive(bg, EndpointID("http://a/hook")); err != nil || n != 1 {
			t.Errorf("Redrive = %d, %v", n, err)
		}
		w.wantWithin(time.Second, "a", "blue", 3)
		if _, err := w.eng.Redrive(bg, EndpointID("http://a/hook"), 1); !errors.Is(err, ErrUnknownDeadLetter) {
			t.Errorf("Redrive of what was delivered: %v", err)
		}
		w.wantWhole("a")
	}, "a")
}

func TestDeadLettersAreTriedForThreeDaysAndNotForgotten(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sinks["a"].Script(poison(map[uint64]fault{1: {Status: 400}}))
		w.emit("blue", 2)
		time.Sleep(100 * time.Hour)
		n := w.sinks["a"].Len()
		if n < 70 || n > 100 {
			t.Errorf("%d requests in four days for one dead letter", n)
		}
		time.Sleep(100 * time.Hour)
		if more := w.sinks["a"].Len() - n; more != 0 {
			t.Errorf("%d requests after three days", more)
		}
		w.restart()
		if dead, err := w.eng.DeadLetters(bg, EndpointID("http://a/hook"), 0, 10); err != nil || len(dead) != 1 || dead[0].Attempts < 70 {
			t.Errorf("%+v, %v", dead, err)
		}
		// Redelivering by hand takes it out, too.
		w.sinks["a"].Script(nil)
		if a, err := w.eng.Redeliver(bg, EndpointID("http://a/hook"), 1); err != nil || !a.Delivered() {
			t.Errorf("%+v, %v", a, err)
		}
		if s := w.eng.Stats()[0]; s.DeadLetters != 0 {
			t.Errorf("stats %+v", s)
		}
		if _, err := w.eng.Redeliver(bg, EndpointID("http://a/hook"), 99); !errors.Is(err, ErrUnknownEvent) {
			t.Errorf("%v", err)
		}
		w.wantWhole("a")
	}, "a")
}

func TestParallelEndpointIsHeldUpByNothing(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.sinks["a"].Script(func(d *webhooksink.Delivery) fault {
			if d.Header.Get(headerSeq) == "1" {
				return fault{Status: 400}
			}
			return fault{Delay: time.Second}
		})
		w.put(Endpoint{ID: "a", Mode: Parallel})
		w.emit("blue", 50)
		w.wantWithin(1100*time.Millisecond, "a", "blue", 49)
		for range 10 {
			time.Sleep(20 * time.Second)
			w.emit("blue", 1)
		}
		if s := w.eng.Stats()[1]; s.DeadLetters != 1 || s.Lanes != 0 && s.Lanes != 1 {
			t.Errorf("stats %+v", s)
		}
		for _, d := range w.sinks["a"].Deliveries() {
			if d.Header.Get(headerGap) != "" || d.Header.Get(headerPrevSeq) != "" {
				t.Fatalf("request %d claims an order: %v", d.N, d.Header)
			}
		}
	}, "a")
}

func TestWhySaysWhereEachEventIs(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.emit("blue", 1) // 1: before the endpoints
		w.sinks["a"].Script(poison(map[uint64]fault{3: {Status: 500}}))
		w.put(Endpoint{ID: "a"})
		w.put(Endpoint{ID: "b", Filter: Filter{Rooms: []string{"red"}}, Paused: true})
		w.emit("blue", 3) // 2 delivered, 3 refused, 4 behind it
		w.emit("red", 1)  // 5
		time.Sleep(500 * time.Millisecond)
		for _, tc := range []struct {
			seq  uint64
			a, b Fate
		}{{1, Before, Filtered}, {2, Delivered, Filtered}, {3, Pending, Filtered}, {4, Waiting, Filtered}, {5, Delivered, Pending}} {
			x, err := w.eng.Why(bg, tc.seq)
			if err != nil {
				t.Fatal(err)
			}
			a, b := x.Endpoints[1], x.Endpoints[2]
			if a.Fate != tc.a || b.Fate != tc.b || a.Because == "" || x.Event.Seq != tc.seq {
				t.Errorf("%d: %+v\n%+v", tc.seq, a, b)
			}
			switch tc.seq {
			case 3:
				if a.Next.IsZero() || len(a.Attempts) != 1 || a.Attempts[0].Status != 500 {
					t.Errorf("3: %+v", a)
				}
			case 4:
				if a.Behind != 3 {
					t.Errorf("4 waits behind %d", a.Behind)
				}
			case 5:
				if !strings.Contains(b.Because, "paused") {
					t.Errorf("5: %s", b.Because)
				}
			}
		}
		if _, err := w.eng.Why(bg, 99); !errors.Is(err, ErrUnknownEvent) {
			t.Errorf("%v", err)
		}
		if all, err := w.eng.Attempts(bg, "a", 2); err != nil || len(all) != 2 || all[0].At.Before(all[1].At) {
			t.Errorf("%+v, %v", all, err)
		}
		w.crash()
		if x, err := w.eng.Why(bg, 2); err != nil || len(x.Endpoints[1].Attempts) != 1 || x.Endpoints[1].Fate != Delivered {
			t.Errorf("after a crash %+v, %v", x.Endpoints[1], err)
		}
	}, "a", "b")
}

func TestAttemptsAreBoundedAndSurviveEncoding(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_123_456).UTC()
	all := []Attempt{
		{At: at, Seq: 1 << 62, Number: 1, Status: 200, Latency: 3 * time.Millisecond},
		{At: at.Add(-time.Hour), Seq: 3, First: 1, Number: 70, Error: "no answer within 10s", Late: true},
		{At: at.Add(time.Hour), Seq: 7, Status: 500, Response: strings.Repeat("ä", 1000), Requested: true},
	}
	page := strings.Repeat("<p>out of order</p>", maxResponse/20)
	for _, response := range []string{"", page} {
		all = append(all, Attempt{At: at, Seq: 8, Status: 502, Response: response}, Attempt{At: at, Seq: 8, Number: 2, Status: 502, Response: response})
		for _, encode := range []func([]Attempt) []byte{encodeAttempts, packAttempts} {
			b := encode(all)
			got, err := decodeAttempts(nil, b)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(all) {
				t.Errorf("%.500v, %v", got, err)
			}
			for n := range min(len(b), 5000) {
				if part, err := decodeAttempts(nil, b[:n]); err == nil && len(part) >= len(all) {
					t.Errorf("%d of %d bytes hold all attempts", n, len(b))
				}
			}
		}
	}
	if b := packAttempts(all); len(b) > len(page)/20 {
		t.Errorf("the same page twice takes %d bytes", len(b))
	}
	log := attemptLog{prefix: attemptPrefix("x")}
	stored := make(map[string][]byte)
	for i := range 3 * attemptBlocks {
		log.add(Attempt{At: at, Seq: uint64(i), Response: rand.Text() + strings.Repeat(rand.Text(), i%100)})
		for _, key := range log.save(stored, at) {
			delete(stored, key)
		}
	}
	size := 0
	for _, b := range stored {
		size += len(b)
	}
	if len(stored) > attemptBlocks || size > attemptBytes || size < attemptBytes/2 || size != log.bytes {
		t.Errorf("%d blocks of %d bytes, counted %d", len(stored), size, log.bytes)
	}
	again := attemptLog{prefix: log.prefix}
	if err := again.restore(stored); err != nil || again.next != log.next || again.bytes != log.bytes || len(again.blocks) != len(log.blocks) {
		t.Errorf("restored %d, %d, %d of %d, %d, %d: %v", again.next, again.bytes, len(again.blocks), log.next, log.bytes, len(log.blocks), err)
	}
}

func TestQuietThatTheReceiverAsksForIsForDeadLettersToo(t *testing.T) {
	log := &endlessLog{n: 10, rooms: 1}
	ep := loopOf(t, log)
	now := time.Now()
	d := &deadLetter{timer: -1, DeadLetter: DeadLetter{Seq: 1, Next: now.Add(-time.Second)}}
	ep.dead[1] = d
	ep.deadTimers.wait(d)
	ep.breaker.pausedUntil = now.Add(time.Minute)
	if at := ep.deadline(now); at.Before(now.Add(time.Minute)) && !at.Equal(ep.saveAt) {
		t.Errorf("the loop wakes after %s, for nothing", at.Sub(now))
	}
	if ep.startDead(bg, now) {
		t.Error("started in the quiet")
	}
}
