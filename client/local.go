package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"
)

// LocalParticipant is this end of the room.
type LocalParticipant struct {
	participant

	pubs       []*LocalPublication             // room.mu guards; replaced, not changed
	permission *livekit.SubscriptionPermission // loop only; nil if everybody may subscribe
}

// Publications implements Participant.
func (p *LocalParticipant) Publications() []Publication {
	var all []Publication
	for _, pub := range p.Tracks() {
		all = append(all, pub)
	}
	return all
}

// Tracks are the tracks that this participant publishes.
func (p *LocalParticipant) Tracks() []*LocalPublication {
	p.room.mu.RLock()
	defer p.room.mu.RUnlock()
	return slices.Clone(p.pubs)
}

// LocalPublication is a track that the local participant publishes. It stays the
// same when a full reconnect publishes it again, with another sid.
type LocalPublication struct {
	publication

	// immutable
	layers  []*LocalTrack
	options PublishOptions

	// room.mu guards; the room's loop writes
	subscribed bool // somebody receives it
	muted      bool // as the application wants it
	gone       bool

	// loop only
	transceiver *webrtc.RTPTransceiver // nil before the server accepts it
	done        func(error)            // tells Publish; nil after that
	late        *time.Timer            // our patience with the server
	announced   bool                   // LocalTrackPublished was told
	asked       bool                   // the server was told what muted is, and has not said so yet
}

// Tracks are what the publication was made of: one track, or its layers.
func (p *LocalPublication) Tracks() []*LocalTrack { return slices.Clone(p.layers) }

// Subscribed says whether anybody has received the track.
func (p *LocalPublication) Subscribed() bool {
	p.room.mu.RLock()
	defer p.room.mu.RUnlock()
	return p.subscribed
}

// PublishOptions say what others learn of a track.
type PublishOptions struct {
	// Name is what others see; it may be empty.
	Name string
	// Source says where the track comes from; the zero value means a microphone
	// or a camera, by the track's kind.
	Source livekit.TrackSource
	// Width and Height are those of the video, in pixels.
	Width, Height uint32
	// Muted publishes the track muted.
	Muted bool
	// Stream groups tracks that are to be played in sync; empty leaves it to the
	// server.
	Stream string
	// Encryption says how the frames are encrypted end to end. It tells receivers;
	// to encrypt them is the business of LocalTrack.SetTransform.
	Encryption livekit.Encryption_Type
	// Stereo says that the audio has two channels.
	Stereo bool
	// DisableDTX says that the audio is sent without a break.
	DisableDTX bool
	// LayerSizes are the sizes of simulcast layers, the smallest first; empty means
	// that each has half the width and height of the next.
	LayerSizes [][2]uint32
}

var (
	errNoTrack = errors.New("no track to publish")
)

// Publish publishes a track, or all layers of a simulcast track, and returns when
// the server takes it. A refusal is a *RequestError.
func (p *LocalParticipant) Publish(ctx context.Context, o PublishOptions, layers ...*LocalTrack) (*LocalPublication, error) {
	if err := checkLayers(layers); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if o.Source == livekit.TrackSource_UNKNOWN {
		o.Source = livekit.TrackSource_CAMERA
		if kindOf(layers[0].codec) == webrtc.RTPCodecTypeAudio {
			o.Source = livekit.TrackSource_MICROPHONE
		}
	}
	pub := &LocalPublication{layers: layers, options: o, muted: o.Muted}
	pub.publication = publication{room: p.room, info: &livekit.TrackInfo{
		Name: o.Name, Source: o.Source, Type: trackType(layers[0].codec), Muted: o.Muted, MimeType: layers[0].codec.MimeType,
		Width: o.Width, Height: o.Height, Encryption: o.Encryption, Stream: o.Stream, Stereo: o.Stereo, Simulcast: len(layers) > 1,
	}}
	done := make(chan error, 1)
	pub.done = func(err error) { done <- err }
	err := p.room.do(ctx, func() error { return p.room.publish(pub) })
	if err == nil {
		select {
		case err = <-done:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		p.room.loop.send(func() { p.room.unpublish(pub) })
		return nil, fmt.Errorf("publish: %w", err)
	}
	return pub, nil
}

func checkLayers(layers []*LocalTrack) error {
	if len(layers) == 0 {
		return errNoTrack
	}
	for i, l := range layers {
		switch {
		case len(layers) == 1 && l.rid == "": // an ordinary track
		case l.id != layers[0].id || i >= len(rids) || l.rid != rids[i]:
			return ErrLayers
		}
	}
	return nil
}

func trackType(codec webrtc.RTPCodecCapability) livekit.TrackType {
	if kindOf(codec) == webrtc.RTPCodecTypeAudio {
		return livekit.TrackType_AUDIO
	}
	return livekit.TrackType_VIDEO
}

// addRequest is what the server is told to publish pub.
func (p *LocalPublication) addRequest() *livekit.AddTrackRequest {
	o, first := &p.options, p.layers[0]
	m := &livekit.AddTrackRequest{
		Cid: first.id, Name: o.Name, Type: trackType(first.codec), Source: o.Source,
		Width: o.Width, Height: o.Height, Muted: p.muted, Stream: o.Stream, Encryption: o.Encryption,
		Stereo: o.Stereo, DisableDtx: o.DisableDTX, DisableRed: o.Encryption != livekit.Encryption_NONE,
	}
	if o.Stereo {
		m.AudioFeatures = append(m.AudioFeatures, livekit.AudioTrackFeature_TF_STEREO)
	}
	if o.DisableDTX {
		m.AudioFeatures = append(m.AudioFeatures, livekit.AudioTrackFeature_TF_NO_DTX)
	}
	if m.Type != livekit.TrackType_VIDEO {
		return m
	}
	m.Layers = p.videoLayers()
	m.SimulcastCodecs = []*livekit.SimulcastCodec{{Codec: codecName(first.codec), Cid: first.id, Layers: m.Layers}}
	return m
}

func (p *LocalPublication) videoLayers() []*livekit.VideoLayer {
	if len(p.layers) == 1 {
		return []*livekit.VideoLayer{{Quality: livekit.VideoQuality_HIGH, Width: p.options.Width, Height: p.options.Height}}
	}
	var all []*livekit.VideoLayer
	for i, l := range p.layers {
		v := &livekit.VideoLayer{
			Quality: livekit.VideoQuality(i), Rid: l.rid, SpatialLayer: int32(i),
			Width: p.options.Width >> (len(p.layers) - 1 - i), Height: p.options.Height >> (len(p.layers) - 1 - i),
		}
		if i < len(p.options.LayerSizes) {
			v.Width, v.Height = p.options.LayerSizes[i][0], p.options.LayerSizes[i][1]
		}
		all = append(all, v)
	}
	return all
}

// Unpublish takes a track out of the room.
func (p *LocalParticipant) Unpublish(ctx context.Context, pub *LocalPublication) error {
	return p.room.do(ctx, func() error {
		if pub.gone || pub.room != p.room {
			return ErrNotPublished
		}
		p.room.unpublish(pub)
		return nil
	})
}

// SetMuted mutes or unmutes the track. While it is muted, nothing is sent.
func (p *LocalPublication) SetMuted(ctx context.Context, muted bool) error {
	return p.room.do(ctx, func() error {
		if p.gone {
			return ErrNotPublished
		}
		if p.room.setMuted(p, muted) {
			p.room.tellServerMuted(p)
		}
		return nil
	})
}

// SetName changes the name that others see. The token must permit it.
func (p *LocalParticipant) SetName(ctx context.Context, name string) error {
	return p.update(ctx, &livekit.UpdateParticipantMetadata{Name: name, Metadata: p.Metadata()}, func(info *livekit.ParticipantInfo) bool {
		return info.GetName() == name
	})
}

// SetMetadata changes the metadata that others see. The token must permit it.
func (p *LocalParticipant) SetMetadata(ctx context.Context, metadata string) error {
	return p.update(ctx, &livekit.UpdateParticipantMetadata{Name: p.Name(), Metadata: metadata}, func(info *livekit.ParticipantInfo) bool {
		return info.GetMetadata() == metadata
	})
}

// SetAttributes changes the given attributes, and removes those with an empty
// value. The token must permit it.
func (p *LocalParticipant) SetAttributes(ctx context.Context, attributes map[string]string) error {
	m := &livekit.UpdateParticipantMetadata{Name: p.Name(), Metadata: p.Metadata(), Attributes: attributes}
	return p.update(ctx, m, func(info *livekit.ParticipantInfo) bool {
		for k, v := range attributes {
			if info.GetAttributes()[k] != v {
				return false
			}
		}
		return true
	})
}

// update asks the server to change what others see, and returns when it is so.
func (p *LocalParticipant) update(ctx context.Context, m *livekit.UpdateParticipantMetadata, seen func(*livekit.ParticipantInfo) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, ErrTimeout)
	defer cancel()
	done := make(chan error, 1)
	u := &update{message: m, seen: seen, done: func(err error) { done <- err }}
	if err := p.room.do(ctx, func() error { return p.room.startUpdate(u) }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		p.room.loop.send(func() { p.room.dropUpdate(u) })
		return context.Cause(ctx)
	}
}

// SetSubscriptionPermissions says who may subscribe to this participant's tracks:
// all, or those that permissions name, by identity or sid.
func (p *LocalParticipant) SetSubscriptionPermissions(ctx context.Context, all bool, permissions ...*livekit.TrackPermission) error {
	return p.room.do(ctx, func() error {
		p.permission = &livekit.SubscriptionPermission{AllParticipants: all}
		for _, one := range permissions {
			p.permission.TrackPermissions = append(p.permission.TrackPermissions, proto.CloneOf(one))
		}
		p.room.sendPermission()
		return nil
	})
}
