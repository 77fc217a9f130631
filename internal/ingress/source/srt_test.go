package source

import (
	"net/url"
	"slices"
	"testing"
)

func TestSRTURLsSayNothingButWhatIsAllowed(t *testing.T) {
	p := &Puller{Guard: only}
	for _, raw := range []string{
		"srt://127.0.0.1:9000#?mode=listener", "srt://127.0.0.1:9000?latency=1#?mode=listener", "srt://127.0.0.1:9000?latency=1#",
		"srt://127.0.0.1:9000?rcvbuf=99;&mode=caller", "srt://127.0.0.1:9000?latency=%zz", "srt://127.0.0.1:9000?latency=1&latency=2",
		"srt://127.0.0.1:9000?mode=listener", "srt://127.0.0.1:9000?mode=caller&mode=caller", "srt://127.0.0.1:9000?localaddr=1",
		"srt://u:p@127.0.0.1:9000", "srt://127.0.0.1", "srt://127.0.0.1:9000?=x",
	} {
		if err := p.Check(raw); err == nil {
			t.Errorf("%s is taken", raw)
		}
	}
	raw := "srt://127.0.0.1:9000/x?streamid=%23!::r%3Da%26mode%3Dlistener&passphrase=a+b%3Fmode%3Dlistener&mode=caller"
	if err := p.Check(raw); err != nil {
		t.Fatal(err)
	}
	in, _, err := p.input(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"-timeout", "15000000", "-passphrase", "a b?mode=listener", "-srt_streamid", "#!::r=a&mode=listener"}
	if in.URL != "srt://127.0.0.1:9000" || !slices.Equal(in.Options, want) {
		t.Errorf("the child is told %s %q, want %q", in.URL, in.Options, want)
	}
	if u, err := url.Parse(in.URL); err != nil || u.RawQuery != "" {
		t.Error(u, err)
	}
}
