package egress

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// What a request streams to is held against the guard when it is asked for, by the
// addresses that names have; what has none may get one.
func TestStreamsGoWhereRequestsMayGo(t *testing.T) {
	n := &notebook{cursors: make(map[string][]byte)}
	o := testOptions(t, n)
	o.CheckAddress = func(a netip.Addr) error {
		if a.IsLoopback() || a.IsPrivate() {
			return errors.New("is private")
		}
		return nil
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer closes(t, s)
	j := &job{s: s, id: "EG_x", kind: wire.Encode, feed: newFeed(nowhere{io.Discard}, wire.Job{}), info: &livekit.EgressInfo{
		EgressId: "EG_x", StreamResults: []*livekit.StreamInfo{{Url: "rtmp://h/app/{k...y}"}},
	}}
	defer func() { j.feed.end(); <-j.feed.donec }()
	s.jobs[j.id] = j
	for url, want := range map[string]string{
		"rtmp://127.0.0.1/app/the-secret":            "is private",
		"rtmps://[::1]:99/app/the-secret":            "is private",
		"rtmp://localhost/app/the-secret":            "is private",
		"rtmp://u:p@10.0.0.1:1935/app/the-secret":    "is private",
		"srt://127.0.0.1:9000?streamid=the-secret":   "is private",
		"rtmp://[::ffff:127.0.0.1]/app/the-secret":   "is private",
		"rtmp://192.0.2.1/app/the-secret":            "",
		"rtmp://no.such.host.invalid/app/the-secret": "",
	} {
		j.outputs = []wire.Output{{Kind: wire.Stream, Destinations: []wire.Destination{{URL: "rtmp://192.0.2.1/app/key"}, {URL: url}}}}
		_, updated := s.UpdateStream(t.Context(), &livekit.UpdateStreamRequest{EgressId: j.id, AddOutputUrls: []string{url}})
		for _, err := range []error{s.pin(t.Context(), j), updated} {
			e, _ := errors.AsType[*Error](err)
			switch {
			case want == "" && err != nil:
				t.Errorf("%s: %v", url, err)
			case want != "" && (e == nil || e.Code != InvalidArgument || !strings.Contains(e.Msg, want) || strings.Contains(e.Msg, "secret")):
				t.Errorf("%s: %v", url, err)
			}
		}
	}
}
