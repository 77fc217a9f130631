package egress

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

func TestStreamTakesSoManyDestinationsAtATime(t *testing.T) {
	n := &notebook{cursors: make(map[string][]byte)}
	s, err := Open(t.Context(), testOptions(t, n))
	if err != nil {
		t.Fatal(err)
	}
	defer closes(t, s)
	j := &job{s: s, id: "EG_x", kind: wire.Encode, feed: newFeed(nowhere{io.Discard}, wire.Job{}), info: &livekit.EgressInfo{EgressId: "EG_x"}}
	defer func() { j.feed.end(); <-j.feed.donec }()
	url := func(i int) string { return fmt.Sprintf("rtmp://h%d/app/key", i) }
	for i := range request.MaxStreams + 9 { // the first have ended
		stream := &livekit.StreamInfo{Url: request.RedactStreamURL(url(i))}
		if i < 10 {
			stream.EndedAt = 1
		}
		j.info.StreamResults = append(j.info.StreamResults, stream)
	}
	s.jobs[j.id] = j
	for _, c := range []struct {
		add, remove []string
		want        Code
	}{
		{add: []string{url(100), url(101)}, want: InvalidArgument},
		{add: []string{url(100)}},
		{add: []string{url(101)}, want: InvalidArgument},
		{add: []string{url(101)}, remove: []string{url(20)}},
		{add: []string{url(102)}, remove: []string{url(20), url(20)}, want: InvalidArgument},
	} {
		_, err := s.UpdateStream(t.Context(), &livekit.UpdateStreamRequest{EgressId: j.id, AddOutputUrls: c.add, RemoveOutputUrls: c.remove})
		if e, _ := errors.AsType[*Error](err); err != nil && (e == nil || e.Code != c.want) || err == nil && c.want != "" {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// What is too long for a worker to be told is refused: it would end, and what it records.
func TestWorkersAreToldNothingTooLong(t *testing.T) {
	n := &notebook{cursors: make(map[string][]byte)}
	s, err := Open(t.Context(), testOptions(t, n))
	if err != nil {
		t.Fatal(err)
	}
	defer closes(t, s)
	in, out := io.Pipe()
	j := &job{s: s, id: "EG_x", kind: wire.Encode, feed: newFeed(out, wire.Job{}), info: &livekit.EgressInfo{EgressId: "EG_x"}}
	s.jobs[j.id] = j
	key := "rtmp://h/app/abcdefghixyz"
	j.info.StreamResults = []*livekit.StreamInfo{{Url: request.RedactStreamURL(key)}}
	long := "abc" + strings.Repeat("<", 1<<20) + "xyz" // each is longer in JSON
	if _, err := s.UpdateLayout(t.Context(), &livekit.UpdateLayoutRequest{EgressId: j.id, Layout: long}); err == nil {
		t.Error("the layout is taken")
	}
	if _, err := s.UpdateStream(t.Context(), &livekit.UpdateStreamRequest{EgressId: j.id, RemoveOutputUrls: []string{"rtmp://h/app/" + long}}); err == nil {
		t.Error("the destination is taken for another")
	}
	if _, err := s.UpdateLayout(t.Context(), &livekit.UpdateLayoutRequest{EgressId: j.id, Layout: strings.Repeat("<", request.MaxLayout)}); err != nil {
		t.Error(err)
	}
	j.feed.end()
	frames := wire.NewReader(in)
	for {
		kind, _, err := frames.Next()
		if err != nil {
			t.Fatal(err)
		}
		if kind == wire.End {
			break
		}
	}
	<-j.feed.donec
}
