package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// publish plays the clip in file, over and over, as a track of the given source.
func (p *participant) publish(file string, source livekit.TrackSource) (any, error) {
	c, err := readClip(file)
	if err != nil {
		return nil, err
	}
	track, err := lksdk.NewLocalTrack(c.codec)
	if err != nil {
		return nil, fmt.Errorf("make track: %w", err)
	}
	track.OnBind(func() {
		if err := track.StartWrite(&player{clip: c}, nil); err != nil {
			p.out.event("failed", map[string]any{"message": "play clip: " + err.Error()})
		}
	})
	pub, err := p.room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{
		Name: sourceName(source), Source: source, VideoWidth: c.width, VideoHeight: c.height,
	})
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return map[string]any{"sid": pub.SID()}, nil
}

// publishFile plays a file once that the SDK reads itself: camera if it is as large as that,
// or microphone.
func (p *participant) publishFile(file string, width, height int) (any, error) {
	track, err := lksdk.NewLocalFileTrack(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	source := livekit.TrackSource_MICROPHONE
	if width > 0 {
		source = livekit.TrackSource_CAMERA
	}
	pub, err := p.room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{
		Name: sourceName(source), Source: source, VideoWidth: width, VideoHeight: height,
	})
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return map[string]any{"sid": pub.SID()}, nil
}

var errNotAClip = errors.New("not an IVF file with VP8 or Opus frames")

// clip is a recorded track: encoded frames that all last equally long.
type clip struct {
	codec         webrtc.RTPCodecCapability
	width, height int
	frameDuration time.Duration
	frames        [][]byte
}

// readClip reads an IVF file: a 32-byte header, then frames with a 12-byte
// header each, all little-endian. Opus frames are kept in the same container.
func readClip(file string) (*clip, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read clip: %w", err)
	}
	if len(b) < 32 || string(b[:4]) != "DKIF" {
		return nil, fmt.Errorf("read clip %s: %w", file, errNotAClip)
	}
	rate, scale := binary.LittleEndian.Uint32(b[16:]), binary.LittleEndian.Uint32(b[20:])
	c := &clip{
		width:         int(binary.LittleEndian.Uint16(b[12:])),
		height:        int(binary.LittleEndian.Uint16(b[14:])),
		frameDuration: time.Second * time.Duration(scale) / time.Duration(max(rate, 1)),
	}
	switch string(b[8:12]) {
	case "VP80":
		c.codec = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}
	case "Opus":
		c.codec = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	default:
		return nil, fmt.Errorf("read clip %s: %w", file, errNotAClip)
	}
	for b = b[32:]; len(b) >= 12; {
		n := int(binary.LittleEndian.Uint32(b))
		if len(b) < 12+n {
			return nil, fmt.Errorf("read clip %s: %w", file, errNotAClip)
		}
		c.frames = append(c.frames, b[12:12+n])
		b = b[12+n:]
	}
	if len(c.frames) == 0 {
		return nil, fmt.Errorf("read clip %s: %w", file, errNotAClip)
	}
	return c, nil
}

// player repeats a clip for ever. The first frame of a clip is a key frame, so
// a late subscriber sees a picture after one turn at most.
type player struct {
	lksdk.BaseSampleProvider
	clip *clip
	next int // the SDK's write loop only
}

func (p *player) NextSample(context.Context) (media.Sample, error) {
	frame := p.clip.frames[p.next]
	p.next = (p.next + 1) % len(p.clip.frames)
	return media.Sample{Data: frame, Duration: p.clip.frameDuration}, nil
}

// CurrentAudioLevel is the level in -dBov that goes into the RTP header extension.
func (p *player) CurrentAudioLevel() uint8 { return 15 }
