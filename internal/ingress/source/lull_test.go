package source

import (
	"io"
	"testing"
	"time"
)

// A connection of SRT that breaks ends like one that hangs up, but after a silence.
func TestSilenceBeforeTheEndIsABreak(t *testing.T) {
	type read struct {
		takes time.Duration
		err   error
	}
	for name, tc := range map[string]struct {
		reads []read
		want  bool
	}{
		"hangs up":                       {[]read{{0, nil}, {time.Second, nil}, {time.Second, io.EOF}}, false},
		"begins late":                    {[]read{{8 * time.Second, nil}, {time.Second, io.EOF}}, false},
		"breaks":                         {[]read{{0, nil}, {5 * time.Second, io.EOF}}, true},
		"breaks, and there was a rest":   {[]read{{0, nil}, {5 * time.Second, nil}, {time.Millisecond, nil}, {0, io.EOF}}, true},
		"never sends anything":           {[]read{{15 * time.Second, io.EOF}}, true},
		"hangs up long after a silence":  {[]read{{0, nil}, {4 * time.Second, nil}, {2 * time.Second, nil}, {2 * time.Second, io.EOF}}, false},
		"begins late, breaks thereafter": {[]read{{8 * time.Second, nil}, {3 * time.Second, io.EOF}}, true},
	} {
		var l lull
		now, got := noon, false
		for _, r := range tc.reads {
			asked := now
			now = now.Add(r.takes)
			got = l.before(asked, now, r.err)
		}
		if got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
