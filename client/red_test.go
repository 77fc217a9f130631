package client_test

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/client"
)

// count writes frames of Opus that are numbered, until the test ends.
func count(t *testing.T, track *client.LocalTrack) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for n := uint32(0); ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				data := binary.BigEndian.AppendUint32([]byte{0xf8}, n)
				if err := track.WriteSample(client.Sample{Data: data, Duration: 10 * time.Millisecond}); err != nil && ctx.Err() == nil {
					t.Logf("write sample: %v", err)
				}
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// gaps reads n packets, and returns how many are missing between them.
func gaps(t *testing.T, track *client.RemoteTrack, n int) int {
	t.Helper()
	missing, last, seq := 0, uint32(0), uint16(0)
	for i := range n {
		p, err := track.ReadRTP()
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Payload) != 5 || p.Payload[0] != 0xf8 {
			t.Fatalf("payload % x", p.Payload)
		}
		number := binary.BigEndian.Uint32(p.Payload[1:])
		if i > 0 {
			missing += int(number-last) - 1
			if uint32(p.SequenceNumber-seq) != number-last {
				t.Errorf("number %d has sequence number %d, after %d and %d", number, p.SequenceNumber, last, seq)
			}
		}
		last, seq = number, p.SequenceNumber
	}
	return missing
}

// Whether the publisher sends redundancy or the server adds it.
func TestRedundancyMakesUpForLostPackets(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		withRED := func(o *client.Options) { o.RED = true }
		links := map[string]*link{}
		records := map[string]*record{}
		for name, option := range map[string]func(*client.Options){"with": withRED, "without": func(*client.Options) {}} {
			l, through := throughLink(t)
			r, on := recording(t)
			links[name], records[name] = l, r
			s.join(name, mode, on, through, option)
		}
		publishers := map[string]func(*client.Options){"alice": withRED, "bot": func(*client.Options) {}}
		for name, option := range publishers {
			track := client.NewLocalTrack(client.Opus)
			count(t, track)
			if _, err := s.join(name, mode, option).Local().Publish(s.context(), client.PublishOptions{}, track); err != nil {
				t.Fatal(err)
			}
		}
		type way struct{ from, redundancy string }
		heard := map[way]*client.RemoteTrack{}
		for name, r := range records {
			for range publishers {
				e := next[client.TrackSubscribed](r)
				w := way{e.Participant.Identity(), name}
				heard[w] = e.Track
				if c := e.Track.Codec(); c.MimeType != webrtc.MimeTypeOpus {
					t.Errorf("%v: codec %s", w, c.MimeType)
				}
			}
		}
		// With one connection, packets may come before the answer that announces them;
		// pion looks at the first ones itself then, and the track misses some.
		for _, track := range heard {
			for range 30 {
				if _, err := track.ReadRTP(); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, l := range links {
			l.lose.Store(7)
		}
		var reading sync.WaitGroup
		missing := map[way]*int{}
		for w, track := range heard {
			n := new(int)
			missing[w] = n
			reading.Go(func() { *n = gaps(t, track, 300) })
		}
		reading.Wait()
		if n := links["with"].lost.Load(); n < 40 {
			t.Errorf("only %d packets were lost", n)
		}
		for w, n := range missing {
			// Two in a row are missed, if the other's packets are between them.
			if with := w.redundancy == "with"; with && *n > 2 || !with && *n < 10 {
				t.Errorf("of %s, %s redundancy, %d packets are missing", w.from, w.redundancy, *n)
			}
		}
	})
}
