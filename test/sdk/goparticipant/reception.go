package main

import (
	"sync"

	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

// reception counts what arrives of each remote track.
type reception struct {
	mu     sync.Mutex
	counts map[string]*count // by identity/source; mu guards
}

// count is what arrived of one track since it was first subscribed.
type count struct {
	Packets   int `json:"packets"`
	Frames    int `json:"frames"`    // video: packets that end a frame
	KeyFrames int `json:"keyFrames"` // VP8: packets that begin a key frame
	Bytes     int `json:"bytes"`
}

func newReception() *reception {
	return &reception{counts: map[string]*count{}}
}

// watch counts until the track ends; the SDK closes every track with its room.
func (r *reception) watch(track *webrtc.TrackRemote, identity, source string) {
	key := identity + "/" + source
	go func() {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			keyFrame := track.Codec().MimeType == webrtc.MimeTypeVP8 && startsKeyFrame(packet.Payload)
			r.mu.Lock()
			c := r.counts[key]
			if c == nil {
				c = new(count)
				r.counts[key] = c
			}
			c.Packets++
			c.Bytes += len(packet.Payload)
			if packet.Marker {
				c.Frames++
			}
			if keyFrame {
				c.KeyFrames++
			}
			r.mu.Unlock()
		}
	}()
}

func (r *reception) snapshot() map[string]count {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := make(map[string]count, len(r.counts))
	for key, c := range r.counts {
		s[key] = *c
	}
	return s
}

// startsKeyFrame reports whether an RTP payload holds the first bytes of a key
// frame (RFC 7741 §4.2 and RFC 6386 §9.1: the lowest bit of a frame is 0 in one).
func startsKeyFrame(payload []byte) bool {
	var p codecs.VP8Packet
	frame, err := p.Unmarshal(payload)
	return err == nil && p.S == 1 && p.PID == 0 && len(frame) > 0 && frame[0]&1 == 0
}
