package source

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhoComesFirstGetsWhatCameSinceTheKeyFrame(t *testing.T) {
	var got []string
	l := &layer{write: func(data []byte, pts time.Duration) error {
		got = append(got, fmt.Sprintf("%s@%v", data, pts))
		return nil
	}}
	put := func(name string, ms int, key bool) {
		if err := l.put([]byte(name), time.Duration(ms)*time.Millisecond, key); err != nil {
			t.Fatal(err)
		}
	}
	put("p0", 0, false) // nobody can decode it
	put("k1", 10, true)
	put("p2", 20, false)
	put("k3", 30, true)
	put("p4", 40, false)
	l.want()
	put("p5", 70, false)
	l.want() // from now on the next key frame has to do
	put("p6", 80, false)
	want := []string{"k1@10ms", "p2@20ms", "k3@30ms", "p4@40ms", "k3@50ms", "p4@60ms", "p5@70ms", "p6@80ms"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}

	got, l = nil, &layer{write: l.write}
	l.want()
	put("k1", 10, true)
	put("p2", 20, false)
	if d := cmp.Diff([]string{"k1@10ms", "p2@20ms"}, got); d != "" {
		t.Error(d)
	}
}

func TestWhatIsKeptForTheFirstIsBounded(t *testing.T) {
	l := &layer{write: func([]byte, time.Duration) error { return nil }}
	for i := range 1000 {
		if err := l.put(make([]byte, 100), time.Duration(i)*time.Millisecond, i == 0); err != nil {
			t.Fatal(err)
		}
		if len(l.since) > maxSince {
			t.Fatalf("%d pictures are kept", len(l.since))
		}
	}
	if len(l.since) > 0 {
		t.Error("the beginning is missing of what is kept")
	}
}
