package studio

import (
	"fmt"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// Changes of destinations wait, however many, until there is media; what makes
// pictures does not wait for them, and they keep their order.
func TestDestinationsChangeBeforeThereIsMedia(t *testing.T) {
	const many = 100
	d, err := newDesk(new(Studio), new(ffmpeg.Program), wire.Job{Outputs: []wire.Output{{Kind: wire.Stream}}}, ffmpeg.Settings{}, ffmpeg.Guard{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range many {
		d.control(wire.Control{Add: []wire.Destination{{URL: fmt.Sprint(n)}}})
		d.control(wire.Control{Layout: "speaker"}) // is not of destinations
	}
	<-d.controlc
	all := d.takeControls()
	if len(all) != many {
		t.Fatalf("%d changes, want %d", len(all), many)
	}
	for n, c := range all {
		if c.Add[0].URL != fmt.Sprint(n) {
			t.Errorf("change %d is %+v", n, c)
		}
	}
	if again := d.takeControls(); again != nil {
		t.Errorf("taken twice: %+v", again)
	}
}
