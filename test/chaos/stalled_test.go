package chaos

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"testing"
)

// A client that does not read what it is signalled loses its connection when the
// socket takes no more, and may come back; what waits for it is bounded.
func TestClientThatStopsReadingItsSignalsIsCutOff(t *testing.T) {
	t.Parallel() // it waits most of the time
	// Not under the race detector: what waits has to be much before a write takes too long.
	m := newMeetingOf(t, program)
	m.spare += keeps
	slow := newGuests(m.s.url)
	slow.window = 64 << 10
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g, err := slow.enter(ctx, "demo", "stalled", true)
	m.must(err)
	defer g.leave(false)
	m.must(g.await(ctx, g.active))
	close(g.stalled)
	// Several times what may wait, and what the buffers of both ends take, which grow to
	// megabytes; and before a write has taken too long.
	much := noise(1, 500_000)
	for i := range 60 {
		m.must(m.s.call("UpdateRoomMetadata", map[string]any{"room": "demo", "metadata": fmt.Sprint(i, much)}))
	}
	behind := regexp.MustCompile(`reason="client does not read its messages" queued=\d+ bytes=(\d+)`)
	m.wantLogged("client does not read its messages")
	if found := behind.FindStringSubmatch(m.s.tail(1000)); found == nil {
		t.Log("on this machine a write took too long before that")
	} else if n, err := strconv.Atoi(found[1]); err != nil || n > 20<<20 {
		t.Errorf("%s bytes waited for it, %v", found[1], err)
	}
	m.wantAlive()
	m.wantBounded(200, keeps+32<<20) // of which 16 MiB may wait for the client
	g.resume()
	m.wantCutOff(g, errGone.Error(), "client does not read its messages")
	m.s.poll("the log of events to say so", func() error {
		for _, r := range m.s.read(0) {
			if r.Name == "participant_connection_lost" {
				return nil
			}
		}
		return fmt.Errorf("no participant_connection_lost")
	})
}

// A client that does not take its reliable data is sent away, into a reconnect,
// when megabytes wait for it; everybody else gets theirs.
func TestClientThatStopsReadingItsDataIsCutOff(t *testing.T) {
	takesTurns(t)
	m := newMeeting(t)
	g := m.enter("stalled")
	defer g.leave(false)
	// One message that is never done keeps all that follow in the association.
	close(g.deaf)
	payload := base64.StdEncoding.EncodeToString([]byte(noise(1, 48_000)))
	for range 600 { // of which 4 MiB may wait
		m.must(m.s.call("SendData", map[string]any{"room": "demo", "data": payload, "kind": "RELIABLE"}))
	}
	m.wantCutOff(g, "STATE_MISMATCH", "client does not take its reliable data")
	m.wantAlive()
	m.wantBounded(200, 9<<20)
}
