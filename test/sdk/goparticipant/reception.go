package main

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/livekit/server-sdk-go/v2/pkg/samplebuilder"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

// reception counts what arrives of each remote track.
type reception struct {
	mu     sync.Mutex
	counts map[string]*count   // by identity/source; mu guards
	kept   map[string][][]byte // what frames of H265 are made of, as a byte stream; mu guards
}

// count is what arrived of one track since it was first subscribed.
type count struct {
	Packets   int `json:"packets"`
	Frames    int `json:"frames"`    // video: packets that end a frame
	KeyFrames int `json:"keyFrames"` // VP8: packets that begin a key frame
	Bytes     int `json:"bytes"`
}

func newReception() *reception {
	return &reception{counts: map[string]*count{}, kept: map[string][][]byte{}}
}

// askEvery is how often a key frame of VP8 is asked for. Of other codecs nobody looks
// whether there was one, and it is asked for once.
const askEvery = time.Second

// watch counts until the track ends; the SDK closes every track with its room. With one
// peer connection the first packets may overtake the answer that announces them, and
// with them a key frame: as a decoder would, it asks for one until one comes.
func (r *reception) watch(track *webrtc.TrackRemote, identity, source string, ask func()) {
	key := identity + "/" + source
	var frames *samplebuilder.SampleBuilder
	if track.Codec().MimeType == webrtc.MimeTypeH265 {
		frames = samplebuilder.New(200, &codecs.H265Depacketizer{}, track.Codec().ClockRate)
	}
	go func() {
		var asked time.Time
		wants, vp8 := track.Kind() == webrtc.RTPCodecTypeVideo, track.Codec().MimeType == webrtc.MimeTypeVP8
		for {
			if wants && time.Since(asked) >= askEvery {
				ask()
				asked, wants = time.Now(), vp8
			}
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			keyFrame := vp8 && startsKeyFrame(packet.Payload)
			wants = wants && !keyFrame
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
			if frames != nil {
				frames.Push(packet)
				for s := frames.Pop(); s != nil; s = frames.Pop() {
					r.kept[key] = append(r.kept[key], s.Data)
				}
			}
			r.mu.Unlock()
		}
	}()
}

// save writes what came of a video in H265 into a file, from the first key frame on:
// before it there may be what no decoder takes.
func (r *reception) save(key, file string) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stream := bytes.Join(r.kept[key], nil)
	parameters := bytes.Index(stream, []byte{0, 0, 0, 1, 32 << 1, 1}) // a VPS, with which key frames begin
	if parameters < 0 {
		return nil, errors.New("no key frame has come")
	}
	return nil, os.WriteFile(file, stream[parameters:], 0o600)
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
