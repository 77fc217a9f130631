package worker

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"
	"github.com/thesyncim/gopus"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// ear is a sink that counts the packets in which nothing is heard.
type ear struct {
	decoder      *gopus.Decoder
	pcm          [5760 * 2]float32
	packets      int
	quiet        int
	firstQuietAt time.Duration
}

func (e *ear) open([]container.Track, time.Time) error { return nil }
func (e *ear) flush(time.Time) error                   { return nil }
func (e *ear) close() ([]wire.Made, error)             { return nil, nil }

func (e *ear) write(f container.Frame, _ func()) error {
	n, err := e.decoder.Decode(f.Data, e.pcm[:])
	if err != nil {
		return err
	}
	loud := float32(0)
	for _, s := range e.pcm[:n*2] {
		loud = max(loud, s)
	}
	if e.packets++; e.packets > 50 && loud < 0.01 {
		if e.quiet++; e.quiet == 1 {
			e.firstQuietAt = f.At
		}
	}
	return nil
}

// Of two who are mixed the one whose packet is lost, after a long time without a loss,
// and comes again after the time that a far one takes, is heard without a break.
func TestSoundAfterALossIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, err := NewMix(wire.Job{ID: "EG_x", Kind: wire.Mix, Audio: true}, func(wire.Report) {})
		if err != nil {
			t.Fatal(err)
		}
		decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(48000, 2))
		if err != nil {
			t.Fatal(err)
		}
		e := &ear{decoder: decoder}
		rec.(*mixed).sinks = []sink{e}
		w := &work{out: json.NewEncoder(io.Discard), began: time.Now(), rec: rec, tracks: make(map[uint16]*track)}
		for n := range uint16(2) {
			if err := w.track(wire.Track{Number: n, MimeType: "audio/opus", ClockRate: 48000, Channels: 2}); err != nil {
				t.Fatal(err)
			}
		}
		tone := packets(t, tracks[0].file, tracks[0].rate, tracks[0].payloader)
		send := func(track uint16, n int) {
			t.Helper()
			p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(n), Timestamp: uint32(n) * 960}, Payload: silence}
			if track == 1 {
				p.Payload = tone[10+n%(len(tone)-20)].Payload
			}
			raw, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			data := binary.BigEndian.AppendUint16(nil, track)
			data = binary.BigEndian.AppendUint64(data, uint64(time.Now().UnixNano()))
			if err := w.take(frame{wire.Packet, append(data, raw...)}); err != nil {
				t.Fatal(err)
			}
		}
		const lost, again = 600, 12 // packets of 20 ms: after 12 s, for 240 ms
		for n := range 800 {
			send(0, n)
			if n != lost {
				send(1, n)
			}
			if n == lost+again {
				send(1, lost)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if e.packets < 750 || e.quiet != 0 {
			t.Errorf("of %d packets %d are quiet, from %v on", e.packets, e.quiet, e.firstQuietAt)
		}
	})
}
