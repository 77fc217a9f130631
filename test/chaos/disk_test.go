package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// A server whose disk takes no more stops, at once and saying why, and what it
// had answered is there when there is room again.
func TestServerThatCannotWriteStopsAndKeepsWhatItAnswered(t *testing.T) {
	t.Parallel() // it waits half of the time
	b := newBackend(t)
	s := newServer(t, b.url)
	s.fileSize = 2 << 10 // a megabyte
	s.start()
	if err := s.call("CreateRoom", map[string]any{"name": "demo", "emptyTimeout": 600}); err != nil {
		t.Fatal(err)
	}
	answered := 0
	var refused error
	for refused == nil && answered < 1000 {
		metadata := fmt.Sprintf("%d %s", answered, noise(answered, 20_000))
		if refused = s.call("UpdateRoomMetadata", map[string]any{"room": "demo", "metadata": metadata}); refused == nil {
			answered++
		}
	}
	if refused == nil {
		t.Fatalf("%d changes were answered: the limit is none", answered)
	}
	if err := s.cmd.Wait(); err == nil {
		t.Error("a server without a log ended as if all was well")
	}
	s.cmd = nil
	if log := s.tail(3); !strings.Contains(log, "event log failed") || !strings.Contains(log, "file too large") {
		t.Errorf("it ended with\n%s", log)
	}

	s.fileSize = 0
	s.start()
	records := s.read(0)
	changes := 0
	for i, r := range records {
		if r.Seq != uint64(i)+1 {
			t.Fatalf("record %d has seq %d", i, r.Seq)
		}
		if r.Name == string(event.RoomMetadataChanged) {
			changes++
		}
	}
	if changes < answered {
		t.Errorf("%d changes were answered, the log has %d", answered, changes)
	}
	b.wantDelivered(t, records, func() []*record { return nil })
}

// noise is text that does not compress to nothing.
func noise(seed, n int) string {
	var b strings.Builder
	for x := uint32(seed)*2654435761 + 1; b.Len() < n; x = x*1664525 + 1013904223 {
		fmt.Fprintf(&b, "%x", x>>4)
	}
	return b.String()[:n]
}

// call makes a request of the server API.
func (s *server) call(method string, body map[string]any) error {
	s.t.Helper()
	raw, err := mint(&token.Claims{Video: &token.VideoGrant{RoomCreate: true, RoomAdmin: true, Room: "demo"}})
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, s.url+"/twirp/livekit.RoomService/"+method, bytes.NewReader(b))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+raw)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", method, resp.Status)
	}
	return nil
}
