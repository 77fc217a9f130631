package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/rtpstats"
)

const (
	// unreadFor is how long a track waits for its first reader before what comes
	// is thrown away: what the server hears of losses is made of what is read.
	unreadFor = 2 * time.Second
	// receiveMTU is larger than what any server sends in one datagram.
	receiveMTU = 1500
)

// RemoteTrack is the media of a track that is received. One goroutine at a time
// reads it, with one of Read, ReadRTP, Packets and Frames. A track that nobody
// reads costs its bandwidth only.
type RemoteTrack struct {
	// immutable
	pub      *RemotePublication
	remote   *webrtc.TrackRemote
	receiver *webrtc.RTPReceiver
	conn     *webrtc.PeerConnection
	red      *redReceiver // nil if there is no redundancy; its content is the reader's

	read atomic.Bool // somebody has begun to read
	over atomic.Bool // it is subscribed no more

	report atomic.Pointer[rtcp.SenderReport] // the newest; nil before the first

	mu       sync.Mutex
	unread   *time.Timer    // mu guards; throws away what nobody reads
	throwing sync.WaitGroup // the goroutine that does
}

// newRemoteTrack starts to read what nobody else must read: RTCP at once, and
// media if no reader comes.
func newRemoteTrack(pub *RemotePublication, remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver, conn *webrtc.PeerConnection, running *sync.WaitGroup) *RemoteTrack {
	t := &RemoteTrack{pub: pub, remote: remote, receiver: receiver, conn: conn}
	if remote.Kind() == webrtc.RTPCodecTypeAudio {
		t.red = newREDReceiver(receiver.GetParameters().Codecs)
	}
	running.Go(func() {
		b := make([]byte, receiveMTU)
		for {
			n, _, err := receiver.Read(b)
			if err != nil {
				return
			}
			t.reported(b[:n])
		}
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unread = time.AfterFunc(unreadFor, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.read.Load() {
			return
		}
		t.throwing.Go(t.throwAway)
	})
	return t
}

// reported keeps the newest sender report of RTCP that came.
func (t *RemoteTrack) reported(raw []byte) {
	packets, err := rtcp.Unmarshal(raw)
	if err != nil {
		return // what the network did to it is not the application's concern
	}
	for _, p := range packets {
		if sr, ok := p.(*rtcp.SenderReport); ok && sr.SSRC == t.SSRC() && sr.NTPTime != 0 {
			t.report.Store(sr)
		}
	}
}

// CapturedAt returns when what has this RTP timestamp was captured, by the newest
// sender report of the server (RFC 3550 §6.4.1): on the server's clock, which all
// tracks of a participant share, so that sound and pictures can be put side by side.
// It is not ok before the first report, which comes within a second or so, and within
// half a turn of the timestamp around the report only.
func (t *RemoteTrack) CapturedAt(timestamp uint32) (at time.Time, ok bool) {
	sr, rate := t.report.Load(), t.Codec().ClockRate
	if sr == nil || rate == 0 {
		return time.Time{}, false
	}
	ticks := int64(int32(timestamp - sr.RTPTime))
	return rtpstats.Time(sr.NTPTime).Add(time.Duration(ticks * int64(time.Second) / int64(rate))), true
}

func (t *RemoteTrack) throwAway() {
	b := make([]byte, receiveMTU)
	for !t.read.Load() {
		if _, _, err := t.remote.Read(b); err != nil {
			return
		}
	}
}

// drained is how long what has come of a track can still be read after its end.
const drained = 200 * time.Millisecond

// stop ends the track and what newRemoteTrack began.
func (t *RemoteTrack) stop() {
	t.over.Store(true)
	_ = t.remote.SetReadDeadline(time.Now().Add(drained))
	t.mu.Lock()
	t.unread.Stop()
	t.mu.Unlock()
	t.throwing.Wait()
}

// begin makes the caller the reader.
func (t *RemoteTrack) begin() {
	if t.read.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.read.Swap(true) {
		return
	}
	if t.unread.Stop() {
		return // everything from the first packet is still there
	}
	_ = t.remote.SetReadDeadline(time.Now())
	t.throwing.Wait()
	_ = t.remote.SetReadDeadline(time.Time{})
	_ = t.RequestKeyFrame()
}

// Publication is what the track is published as.
func (t *RemoteTrack) Publication() *RemotePublication { return t.pub }

// SID identifies the track.
func (t *RemoteTrack) SID() string { return t.pub.sid }

// Kind is audio or video.
func (t *RemoteTrack) Kind() livekit.TrackType { return t.pub.Kind() }

// Codec is how the track is encoded.
func (t *RemoteTrack) Codec() webrtc.RTPCodecParameters {
	if c := t.remote.Codec(); t.red == nil || !codec.IsRED(c.MimeType) {
		return c
	}
	return t.red.opus
}

// SSRC is that of the track's packets.
func (t *RemoteTrack) SSRC() uint32 { return uint32(t.remote.SSRC()) }

// Read reads the next RTP packet into b. The error is io.EOF when the track is
// subscribed no more.
func (t *RemoteTrack) Read(b []byte) (int, error) {
	t.begin()
	if t.red != nil {
		n, err := t.red.read(b, t.remote)
		return n, t.ended(err)
	}
	n, _, err := t.remote.Read(b)
	return n, t.ended(err)
}

// ReadRTP reads the next RTP packet. The error is io.EOF when the track is
// subscribed no more.
func (t *RemoteTrack) ReadRTP() (*rtp.Packet, error) {
	b := make([]byte, receiveMTU)
	n, err := t.Read(b)
	if err != nil {
		return nil, err
	}
	p := new(rtp.Packet)
	if err := p.Unmarshal(b[:n]); err != nil {
		return nil, fmt.Errorf("read packet: %w", err)
	}
	return p, nil
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded after at; the zero
// time lets them wait for ever.
func (t *RemoteTrack) SetReadDeadline(at time.Time) error {
	t.begin()
	return t.remote.SetReadDeadline(at)
}

// Packets returns the track's RTP packets until ctx or the subscription ends. The
// packet is reused: it is the caller's until it asks for the next.
func (t *RemoteTrack) Packets(ctx context.Context) iter.Seq[*rtp.Packet] {
	return func(yield func(*rtp.Packet) bool) {
		t.begin()
		stop := context.AfterFunc(ctx, func() { _ = t.remote.SetReadDeadline(time.Now()) })
		defer func() {
			if !stop() {
				_ = t.remote.SetReadDeadline(time.Time{})
			}
		}()
		b, p := make([]byte, receiveMTU), new(rtp.Packet)
		for ctx.Err() == nil {
			n, err := t.Read(b)
			if err != nil {
				return
			}
			if p.Unmarshal(b[:n]) != nil {
				continue
			}
			if !yield(p) {
				return
			}
		}
	}
}

// RequestKeyFrame asks the publisher of a video track for a picture that can be
// decoded without what came before. For audio it does nothing.
func (t *RemoteTrack) RequestKeyFrame() error {
	if t.remote.Kind() != webrtc.RTPCodecTypeVideo {
		return nil
	}
	return t.conn.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(t.remote.SSRC())}})
}

// ended makes all the ways in which a track ends one.
func (t *RemoteTrack) ended(err error) error {
	if err == nil || !t.over.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return io.EOF
}
