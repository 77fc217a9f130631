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

func TestRedundancyMakesUpForLostPackets(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		withRED := func(o *client.Options) { o.RED = true }
		heard := map[string]*client.RemoteTrack{}
		links := map[string]*link{}
		records := map[string]*record{}
		for name, option := range map[string]func(*client.Options){"with": withRED, "without": func(*client.Options) {}} {
			l, through := throughLink(t)
			r, on := recording(t)
			links[name], records[name] = l, r
			s.join(name, mode, on, through, option)
		}
		track := client.NewLocalTrack(client.Opus)
		count(t, track)
		if _, err := s.join("alice", mode, withRED).Local().Publish(s.context(), client.PublishOptions{}, track); err != nil {
			t.Fatal(err)
		}
		for name, r := range records {
			heard[name] = next[client.TrackSubscribed](r).Track
			if c := heard[name].Codec(); c.MimeType != webrtc.MimeTypeOpus {
				t.Errorf("%s redundancy: codec %s", name, c.MimeType)
			}
			// With one connection, packets may come before the answer that announces them;
			// pion looks at the first ones itself then, and the track misses some.
			for range 30 {
				if _, err := heard[name].ReadRTP(); err != nil {
					t.Fatal(err)
				}
			}
			links[name].lose.Store(7)
		}
		var reading sync.WaitGroup
		missing := map[string]*int{"with": new(int), "without": new(int)}
		for name, track := range heard {
			reading.Go(func() { *missing[name] = gaps(t, track, 300) })
		}
		reading.Wait()
		if links["with"].lost.Load() < 20 || *missing["with"] != 0 {
			t.Errorf("with redundancy, of %d lost packets %d are missing", links["with"].lost.Load(), *missing["with"])
		}
		if *missing["without"] == 0 {
			t.Error("without redundancy, nothing is missing")
		}
	})
}
