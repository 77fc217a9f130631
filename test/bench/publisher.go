package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// publisher is the sending side of a client: one track.
type publisher struct {
	c         *client
	pc        *webrtc.PeerConnection
	socket    *mediaSocket
	track     *webrtc.TrackLocalStaticRTP
	sender    *webrtc.RTPSender
	connected chan struct{}
	published chan struct{}
	once      sync.Once // of published
	running   sync.WaitGroup
	delays    *delays // nil unless they are measured

	sent     atomic.Uint64 // packets
	keyframe atomic.Bool   // the server asked for one
}

type trackKind struct {
	mime   string
	clock  uint32
	kind   livekit.TrackType
	source livekit.TrackSource
	pace   int  // most packets of a picture that go at once, paceGap apart; 0: all
	uneven bool // pictures, and their packets, are of many sizes
}

var (
	camera     = trackKind{mime: webrtc.MimeTypeVP8, clock: videoClock, kind: livekit.TrackType_VIDEO, source: livekit.TrackSource_CAMERA}
	microphone = trackKind{mime: webrtc.MimeTypeOpus, clock: audioClock, kind: livekit.TrackType_AUDIO, source: livekit.TrackSource_MICROPHONE}
)

// paceGap is how long a browser's pacer waits after it has sent something.
const paceGap = 5 * time.Millisecond

// paced is the kind with pictures as a browser sends them, a few packets at a time.
func (k trackKind) paced() trackKind { k.pace = 2; return k }

// real is the kind with pictures as an encoder makes them, too.
func (k trackKind) real() trackKind { k = k.paced(); k.uneven = true; return k }

// interval is the time between two pictures, or packets of sound.
func (k trackKind) interval() time.Duration {
	if k.clock == videoClock {
		return videoInterval
	}
	return audioInterval
}

// joinPublisher joins to receive, and announces and negotiates a track. It sends
// nothing yet.
func (cs *clients) joinPublisher(ctx context.Context, room, identity string, kind trackKind) (*client, error) {
	c := new(client)
	err := cs.start(ctx, c, room, identity, func() error {
		c.pub = &publisher{c: c, connected: make(chan struct{}), published: make(chan struct{})}
		return errors.Join(c.openSubscriber(), c.pub.open(cs, kind))
	})
	if err != nil {
		return nil, err
	}
	if err := c.pub.publish(ctx, kind); err != nil {
		c.leave()
		return nil, err
	}
	return c, nil
}

func (p *publisher) open(cs *clients, kind trackKind) (err error) {
	// A browser sends sender reports and transport-wide sequence numbers and
	// answers NACKs.
	interceptors := new(interceptor.Registry)
	p.pc, p.socket, err = cs.newConnection(interceptors, func(m *webrtc.MediaEngine) error {
		return errors.Join(
			webrtc.ConfigureNack(m, interceptors),
			webrtc.ConfigureRTCPReports(interceptors),
			webrtc.ConfigureTWCCHeaderExtensionSender(m, interceptors),
		)
	})
	if err != nil {
		return err
	}
	onConnected(p.pc, p.connected)
	p.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: kind.mime, ClockRate: kind.clock}, "track", "stream")
	if err == nil {
		p.sender, err = p.pc.AddTrack(p.track)
	}
	if err != nil {
		return errors.Join(err, p.pc.Close(), p.socket.Close())
	}
	return nil
}

func (p *publisher) publish(ctx context.Context, kind trackKind) error {
	request := &livekit.AddTrackRequest{Cid: "track", Type: kind.kind, Source: kind.source}
	if kind.kind == livekit.TrackType_VIDEO {
		request.Width, request.Height = videoWidth, videoHeight
	}
	if err := p.c.signal.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: request}}); err != nil {
		return err
	}
	if err := p.c.await(ctx, p.published, "the server took the track"); err != nil {
		return err
	}
	if err := p.offer(); err != nil {
		return err
	}
	if err := p.c.await(ctx, p.connected, "publishing connection"); err != nil {
		return err
	}
	p.running.Go(p.feedback)
	return nil
}

func (p *publisher) offer() error {
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	described, err := describe(p.pc, offer)
	if err != nil {
		return err
	}
	return p.c.signal.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{
		Offer: &livekit.SessionDescription{Type: "offer", Sdp: described, Id: 1},
	}})
}

func (p *publisher) accepted(*livekit.TrackPublishedResponse) {
	p.once.Do(func() { close(p.published) })
}

func (p *publisher) answered(answer *livekit.SessionDescription) error {
	err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer.Sdp})
	if err != nil {
		return fmt.Errorf("take the answer: %w", err)
	}
	return nil
}

// feedback hears requests for key frames.
func (p *publisher) feedback() {
	for {
		packets, _, err := p.sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				p.keyframe.Store(true)
			}
		}
	}
}

// extension returns the id negotiated for a header extension, 0 if none was.
func (p *publisher) extension(uri string) uint8 {
	for _, e := range p.sender.GetParameters().HeaderExtensions {
		if e.URI == uri {
			return uint8(e.ID)
		}
	}
	return 0
}

// start sends the track's media from now until the client leaves. offset moves
// its bursts against those of others.
func (p *publisher) start(kind trackKind, offset time.Duration) {
	var s source
	if kind.kind == livekit.TrackType_VIDEO {
		s = newVideo(kind.uneven)
	} else {
		s = newAudio(p.extension(sdp.AudioLevelURI))
	}
	p.keyframe.Store(true)
	p.running.Go(func() { p.stream(s, offset, kind.pace) })
}

// maxLag is how far a stream that was held up catches up instead of leaving out.
const maxLag = 100 * time.Millisecond

func (p *publisher) stream(s source, offset time.Duration, pace int) {
	next := time.Now().Add(offset)
	timer := time.NewTimer(offset)
	defer timer.Stop()
	for {
		select {
		case <-p.c.ended:
			return
		case now := <-timer.C:
			for !next.After(now) {
				for i, packet := range s.burst(p.keyframe.Swap(false)) {
					if pace > 0 && i > 0 && i%pace == 0 && !p.rest(paceGap) {
						return
					}
					if p.delays != nil {
						p.delays.sent(packet.Timestamp)
					}
					if p.track.WriteRTP(packet) == nil {
						p.sent.Add(1)
					}
				}
				next = next.Add(s.interval())
				if now.Sub(next) > maxLag {
					next = now
				}
			}
			timer.Reset(time.Until(next))
		}
	}
}

// rest waits, and reports false when the client is to leave.
func (p *publisher) rest(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-p.c.ended:
		return false
	}
}

func (p *publisher) close() {
	_ = p.pc.Close()
	_ = p.socket.Close()
	p.running.Wait()
}
