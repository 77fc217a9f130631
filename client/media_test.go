package client_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtp/codecs"

	"github.com/rollcall-rtc/rollcall/client"
)

// play writes a frame every interval until the test ends.
func play(t *testing.T, track *client.LocalTrack, s client.Sample) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(s.Duration)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := track.WriteSample(s); err != nil && ctx.Err() == nil {
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

// tone is a loud frame of Opus: what is in it, nobody here decodes.
func tone() client.Sample {
	return client.Sample{Data: append([]byte{0xf8}, make([]byte, 40)...), Duration: 20 * time.Millisecond, AudioLevel: 0.5, Voice: true}
}

// picture is a key frame of VP8 in the given size, as far as servers look at it:
// the header of RFC 6386 §9.1, and something after it.
func picture(width, height uint16, size int) client.Sample {
	frame := make([]byte, 10+size)
	copy(frame, []byte{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, byte(width), byte(width >> 8), byte(height), byte(height >> 8)})
	return client.Sample{Data: frame, Duration: 33 * time.Millisecond}
}

// widthOf returns the width that the first packet of a key frame of VP8 names: RFC
// 7741 §4.2 and §4.3.
func widthOf(payload []byte) (uint16, bool) {
	var p codecs.VP8Packet
	frame, err := p.Unmarshal(payload)
	if err != nil || p.S != 1 || p.PID != 0 || len(frame) < 10 || frame[0]&1 != 0 {
		return 0, false
	}
	return binary.LittleEndian.Uint16(frame[6:]) & 0x3fff, true
}

// xor is the worst encryption there is, and enough to see that it was applied.
func xor(data []byte) ([]byte, error) {
	for i := range data {
		data[i] ^= 0x5a
	}
	return data, nil
}

func TestFramesPassThroughTransformsUnreadable(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		record, on := recording(t)
		s.join("alice", mode, on)
		track := client.NewLocalTrack(client.Opus)
		clear := []byte("\xf8 what is said")
		track.SetTransform(func(data []byte) ([]byte, error) { return xor(bytes.Clone(data)) })
		play(t, track, client.Sample{Data: clear, Duration: 20 * time.Millisecond})
		_, err := s.join("bob", mode).Local().Publish(s.context(), client.PublishOptions{Encryption: livekit.Encryption_CUSTOM}, track)
		if err != nil {
			t.Fatal(err)
		}
		e := next[client.TrackSubscribed](record)
		if got := e.Publication.Info().GetEncryption(); got != livekit.Encryption_CUSTOM {
			t.Errorf("encryption %s", got)
		}
		p, err := e.Track.ReadRTP()
		if err != nil || bytes.Equal(p.Payload, clear) {
			t.Errorf("on the wire: %q, %v", p.Payload, err)
		}
		frames, err := e.Track.Frames(s.context(), xor)
		if err != nil {
			t.Fatal(err)
		}
		for f := range frames {
			// It lasts longer if the next one was lost.
			if !bytes.Equal(f.Data, clear) || f.Duration <= 0 || f.Duration%(20*time.Millisecond) != 0 {
				t.Errorf("frame %q of %v", f.Data, f.Duration)
			}
			break
		}
	})
}
