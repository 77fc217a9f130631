//go:build unix

package source

import (
	"context"
	"encoding/binary"
	"log/slog"
	"testing"
	"time"
	"unsafe"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// reception is one that has begun, whose pictures of VP8 go to a child that takes
// nothing.
func reception(t *testing.T) (*Reception, *Lane) {
	t.Helper()
	e := &Encoder{FFmpeg: frozen(t), Logger: slog.New(slog.DiscardHandler)}
	r := e.Open(session(t), Media{Pictures: true})
	f := r.feed
	f.started, f.encoding, f.pictures = true, true, &picture{codec: flv.VP8, width: 320, height: 180, order: ordered}
	f.layers, f.video = make([]*layer, 1), new(ingress.Track)
	if err := f.startChild(ffmpeg.Job{Pictures: true, PicturesAs: f.pictures.stream(), Layers: []ffmpeg.Layer{{Bitrate: 300_000}}}); err != nil {
		t.Fatal(err)
	}
	return r, lane(t, r, "video/VP8")
}

func lane(t *testing.T, r *Reception, mime string) *Lane {
	t.Helper()
	l, err := r.Track(mime, 90_000, func(time.Time) (uint32, bool) { return 0, false }, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// send has key frames of so many bytes come.
func send(t *testing.T, l *Lane, payloader rtp.Payloader, frames ...[]byte) {
	t.Helper()
	packets := rtp.NewPacketizer(1200, 96, 1, payloader, rtp.NewRandomSequencer(), 90_000)
	for _, data := range frames {
		for _, p := range packets.Packetize(data, 3000) {
			if _, err := l.WriteRTP(&p.Header, p.Payload, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// frameVP8 is a key frame of 320 by 180 of so many bytes.
func frameVP8(size int) []byte {
	b := binary.LittleEndian.AppendUint16([]byte("\x10\x02\x00\x9d\x01\x2a"), 320)
	return append(binary.LittleEndian.AppendUint16(b, 180), make([]byte, size)...)
}

// A client that leaves does not wait until its child, which hangs, is given up.
func TestClientLeavesWhileItsChildHangs(t *testing.T) {
	t.Parallel()
	r, l := reception(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- r.Run(ctx) }()
	send(t, l, &codecs.VP8Payloader{}, frameVP8(300_000))
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		n := len(r.unread)
		r.mu.Unlock()
		if n == 0 { // all of it has come, which is more than is in a pipe
			break
		}
		if time.Now().After(end) {
			t.Fatal("nothing is read")
		}
	}
	cancel()
	select {
	case err := <-over:
		if err != nil {
			t.Errorf("it waited for its child: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
}

// What waits for a slow child is bounded in memory, however little is in a packet.
func TestBacklogOfSmallPacketsIsBounded(t *testing.T) {
	if n := unsafe.Sizeof(arrival{}) + unsafe.Sizeof(rtp.Packet{}); n > perPacket {
		t.Errorf("a packet takes %d bytes", n)
	}
	r := &Reception{feed: newFeed(nil, "", nil, slog.New(slog.DiscardHandler)), wakec: make(chan struct{}, 1)}
	l, err := r.Track("audio/opus", 48_000, func(time.Time) (uint32, bool) { return 0, false }, func() {})
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range [][]byte{nil, {1}} {
		for n := range 200_000 {
			if _, err := l.WriteRTP(&rtp.Header{SequenceNumber: uint16(n)}, payload, nil); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(r.unread); n < 10_000 || n > maxUnread/perPacket {
			t.Fatalf("%d packets of %d bytes wait", n, len(payload))
		}
		r.unread, r.size = nil, 0
	}
}
