package delivery

import (
	"testing"

	"github.com/rollcall-rtc/rollcall/event"
)

func TestEventsBeyondLiveKitsAreNotSentUnasked(t *testing.T) {
	for _, d := range event.Catalogue() {
		if got := wanted(&event.Record{Name: d.Name}); got != d.Stock {
			t.Errorf("%s: wanted %v, stock %v", d.Name, got, d.Stock)
		}
	}
	if !wanted(&event.Record{Name: "of_a_newer_version"}) {
		t.Error("an unknown event is kept back")
	}
}
