package delivery

import (
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

func TestLanesSayWhatWaitsAndWhy(t *testing.T) {
	inAPIWorld(t, func(w *world) {
		w.put(Endpoint{ID: "a"})
		w.emit("red", 1)
		w.wantWithin(time.Second, "a", "", 1)
		w.sinks["a"].Script(func(*webhooksink.Delivery) webhooksink.Fault { return webhooksink.Fault{Status: 503} })
		w.emit("blue", 3)
		w.emit("red", 2)
		time.Sleep(4 * time.Second)
		lanes, err := w.eng.Lanes(bg, "a", 10)
		if err != nil || len(lanes) != 2 {
			t.Fatalf("%+v, %v", lanes, err)
		}
		for _, l := range lanes {
			want := map[string]struct {
				waiting int
				head    uint64
			}{"blue": {3, 2}, "red": {2, 5}}[l.Room]
			if l.Waiting != want.waiting || l.Head != want.head || l.Attempts == 0 || l.Reason == "" || l.Sending || !l.Next.After(time.Now()) {
				t.Errorf("%+v", l)
			}
		}
		if one, err := w.eng.Lanes(bg, "a", 1); err != nil || len(one) != 1 {
			t.Errorf("%+v, %v", one, err)
		}
	}, "a")
}
