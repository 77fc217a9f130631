package delivery

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

func (w *world) recovered(id string) Recovery {
	w.t.Helper()
	r, err := w.eng.Recovery(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestRecoverySendsARangeAgainInOrderAtItsRate(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.put(Endpoint{ID: "a"})
		w.put(Endpoint{ID: "b", Paused: true})
		w.emit("blue", 100)
		w.emit("red", 100)
		w.wantWithin(time.Second, "a", "", 200)
		start := time.Now()
		id, err := w.eng.Recover(bg, RecoverRequest{Endpoint: "a", After: 50, Filter: &Filter{Rooms: []string{"blue"}}, Rate: 10, ToURL: "http://b/again"})
		if err != nil {
			t.Fatal(err)
		}
		w.emit("blue", 100) // beside what is live
		w.wantWithin(time.Second, "a", "", 300)
		w.wantWithin(10*time.Second, "b", "", 50)
		time.Sleep(time.Second)
		r := w.recovered(id)
		if r.State != RecoveryDone || r.Sent != 50 || r.Skipped != 100 || r.Failures != 0 || r.Position != 200 {
			t.Errorf("%+v", r)
		}
		if took := r.Ended.Sub(start); took < 4*time.Second {
			t.Errorf("50 requests at 10 a second took %s", took)
		}
		for i, d := range w.sinks["b"].Deliveries() {
			if d.Header.Get(headerSeq) != fmt.Sprint(51+i) || d.Header.Get(headerRecovery) != id || d.Header.Get(headerLate) != "true" || d.Path != "/again" {
				t.Fatalf("request %d: %v", d.N, d.Header)
			}
		}
		w.wantWhole("a")
	}, "a", "b")
}

func TestRecoveryGoesOnAfterACrashAndLeavesBehindWhatIsRefusedAlone(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.put(Endpoint{ID: "a"})
		w.emit("blue", 300)
		w.wantWithin(time.Second, "a", "", 300)
		w.sinks["a"].Reset()
		w.sinks["a"].Script(poison(map[uint64]fault{7: {Status: 400}}))
		id, err := w.eng.Recover(bg, RecoverRequest{Endpoint: "a", Rate: 5})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		w.crash()
		if r := w.recovered(id); r.State != RecoveryRunning || r.Position < 20 || r.Position > 100 {
			t.Errorf("%+v", r)
		}
		w.wantWithin(5*time.Minute, "a", "", 299)
		time.Sleep(time.Second)
		if r := w.recovered(id); r.State != RecoveryDone || r.Failures != 1 || r.Sent < 299 {
			t.Errorf("%+v", r)
		}
		last := 0
		for _, d := range webhooksink.Accepted(w.sinks["a"].Deliveries()) {
			var seq int
			if fmt.Sscan(d.Header.Get(headerSeq), &seq); seq <= last {
				t.Errorf("%d after %d", seq, last)
			}
			last = seq
		}
	}, "a")
}

func TestRecoveriesCanBeCancelledAndRefused(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.put(Endpoint{ID: "a"})
		w.emit("blue", 300)
		w.wantWithin(time.Second, "a", "", 300)
		cut := time.Now()
		time.Sleep(time.Second)
		w.emit("blue", 5)
		id, err := w.eng.Recover(bg, RecoverRequest{Endpoint: "a", Rate: 1, Until: cut.Add(time.Millisecond)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if err := w.eng.CancelRecovery(bg, id); err != nil {
			t.Fatal(err)
		}
		n := w.sinks["a"].Len()
		time.Sleep(time.Minute)
		if r := w.recovered(id); r.State != RecoveryCancelled || w.sinks["a"].Len() != n || n > 330 {
			t.Errorf("%+v, %d requests", r, n)
		}
		since, err := w.eng.Recover(bg, RecoverRequest{Endpoint: "a", Since: cut.Add(time.Millisecond)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if r := w.recovered(since); r.Sent != 5 || r.State != RecoveryDone {
			t.Errorf("%+v", r)
		}
		w.crash()
		if all := w.eng.Recoveries(); len(all) != 2 || all[0].ID != since || all[1].State != RecoveryCancelled {
			t.Errorf("%+v", all)
		}
		for name, bad := range map[string]RecoverRequest{
			"backwards": {Endpoint: "a", After: 9, Through: 9}, "times": {Endpoint: "a", Since: cut, Until: cut},
			"rate": {Endpoint: "a", Rate: -1}, "filter": {Endpoint: "a", Filter: &Filter{Events: []string{"x"}}},
			"url": {Endpoint: "a", ToURL: "/relative"},
		} {
			if _, err := w.eng.Recover(bg, bad); !errors.Is(err, ErrRecover) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.eng.Recover(bg, RecoverRequest{Endpoint: "none"}); !errors.Is(err, ErrUnknownEndpoint) {
			t.Errorf("%v", err)
		}
		if err := w.eng.CancelRecovery(bg, "none"); !errors.Is(err, ErrUnknownRecovery) {
			t.Errorf("%v", err)
		}
	}, "a")
}
