package studio

import (
	"slices"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// Frames are put out in the order of their times, those that are equal pictures first,
// unless one track is too far behind; what remains at the end, too.
func TestMergeKeepsTheOrder(t *testing.T) {
	const ms = time.Millisecond
	type frame struct {
		track int
		at    time.Duration
	}
	for _, c := range []struct {
		name  string
		apart time.Duration
		in    []frame
		want  []frame // before the end
		atEnd []frame
	}{
		{"in turn", apart, []frame{{0, 0}, {1, 0}, {1, 20 * ms}, {0, 33 * ms}, {1, 40 * ms}},
			[]frame{{0, 0}, {1, 0}, {1, 20 * ms}, {0, 33 * ms}}, []frame{{1, 40 * ms}}},
		{"sound is ahead", apart, []frame{{1, 0}, {1, 20 * ms}, {1, 40 * ms}, {0, 0}, {0, 33 * ms}},
			[]frame{{0, 0}, {1, 0}, {1, 20 * ms}, {0, 33 * ms}}, []frame{{1, 40 * ms}}},
		{"pictures are too far behind", apart, []frame{{0, 0}, {1, 0}, {1, 20 * ms}, {1, 60 * ms}, {1, 100 * ms}, {1, 140 * ms}, {0, 33 * ms}},
			[]frame{{0, 0}, {1, 0}, {1, 20 * ms}, {0, 33 * ms}}, []frame{{1, 60 * ms}, {1, 100 * ms}, {1, 140 * ms}}},
		{"and are not waited for", apart, []frame{{0, 0}, {1, 0}, {1, 20 * ms}, {1, 60 * ms}, {1, 100 * ms}, {1, 140 * ms}, {1, 180 * ms}, {0, 33 * ms}},
			[]frame{{0, 0}, {1, 0}, {1, 20 * ms}, {1, 60 * ms}, {0, 33 * ms}}, []frame{{1, 100 * ms}, {1, 140 * ms}, {1, 180 * ms}}},
		{"pictures begin late", apart, []frame{{1, 0}, {1, 100 * ms}, {1, 500 * ms}, {0, 0}, {0, 433 * ms}},
			[]frame{{0, 0}, {1, 0}, {1, 100 * ms}, {0, 433 * ms}}, []frame{{1, 500 * ms}}},
		{"what follows a hole waits for the sound in it", apart, []frame{{0, 0}, {1, 0}, {0, 700 * ms}, {0, 733 * ms}, {0, 900 * ms}, {1, 300 * ms}, {1, 701 * ms}},
			[]frame{{0, 0}, {1, 0}, {1, 300 * ms}, {0, 700 * ms}, {1, 701 * ms}, {0, 733 * ms}}, []frame{{0, 900 * ms}}},
		{"but not for ever", apart, []frame{{0, 0}, {1, 0}, {0, 700 * ms}, {0, 3701 * ms}, {1, 300 * ms}},
			[]frame{{0, 0}, {1, 0}, {0, 700 * ms}, {1, 300 * ms}}, []frame{{0, 3701 * ms}}},
		{"however long", 0, []frame{{0, 0}, {0, 900 * ms}, {1, 20 * ms}},
			[]frame{{0, 0}, {1, 20 * ms}}, []frame{{0, 900 * ms}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []frame
			m := merge{apart: c.apart, out: func(f container.Frame) { got = append(got, frame{f.Track, f.At}) }}
			for _, f := range c.in {
				m.put(container.Frame{Track: f.track, At: f.at})
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v came out, want %v", got, c.want)
			}
			m.end(0)
			m.end(1)
			if !slices.Equal(got[len(c.want):], c.atEnd) {
				t.Errorf("%v came out at the end, want %v", got[len(c.want):], c.atEnd)
			}
		})
	}
}
