package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// What the browser leaves out is told as what a room leaves out: how many pictures, and
// for how long others are seen in their place.
func TestWhatABrowserLeavesOutIsTold(t *testing.T) {
	for _, c := range []struct {
		name    string
		said    []string // kind and milliseconds
		dropped int64
		missing time.Duration
	}{
		{"nothing", []string{"V 0", "v 33", "v 67"}, 0, 0},
		{"one", []string{"V 0", "v 33", "d 67", "v 100"}, 1, 33 * time.Millisecond},
		{"some, twice", []string{"V 0", "d 33", "d 67", "v 100", "v 133", "d 167", "d 200", "v 233"}, 4, 133 * time.Millisecond},
		{"one, while others were encoded", []string{"V 0", "d 100", "v 33", "v 67", "v 133"}, 1, 33 * time.Millisecond},
		{"the last", []string{"V 0", "d 33", "d 67"}, 2, 34 * time.Millisecond},
	} {
		b := &Browser{out: nothing{}, origin: time.Unix(1000, 0), readyc: make(chan struct{}, 1)}
		for _, s := range c.said {
			var kind string
			var ms int
			if _, err := fmt.Sscan(s, &kind, &ms); err != nil {
				t.Fatal(err)
			}
			b.captured(fmt.Sprintf("%s %d ", kind, ms*1000))
		}
		if got, want := b.Lacks(), (wire.Lacks{Dropped: c.dropped, Missing: c.missing}); got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}
