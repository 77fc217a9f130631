package codec

import "strings"

// Kind is a codec as far as forwarding is concerned.
type Kind uint8

// Other is audio, and any video whose key frames we cannot tell.
const (
	Other Kind = iota
	VP8
	VP9
	H264
	H265
	AV1
)

// KindOf returns the Kind of a MIME type such as "video/VP8".
func KindOf(mimeType string) Kind {
	switch strings.ToLower(mimeType) {
	case "video/vp8":
		return VP8
	case "video/vp9":
		return VP9
	case "video/h264":
		return H264
	case "video/h265":
		return H265
	case "video/av1":
		return AV1
	}
	return Other
}

// MaxTemporal is the highest temporal layer that is told apart from those above:
// VP8 has no more (RFC 7741 §4.2).
const MaxTemporal = 3

// HasKeyframes reports whether forwarding must begin at a key frame that
// Parse can tell.
func (k Kind) HasKeyframes() bool { return k != Other }

// Descriptor is what Parse found. Offsets are into the payload; 0 means the
// field is absent, as no field is at offset 0.
type Descriptor struct {
	// Keyframe is set on a packet from which decoding can begin.
	Keyframe bool

	PictureIDOffset uint8
	LongPictureID   bool // 15 bits rather than 7
	TL0Offset       uint8
	KeyIdxOffset    uint8

	KeyIdx    uint8 // 5 bits
	PictureID uint16
	TL0       uint8

	// HasTemporal says that the sender tells temporal layers: Temporal is that
	// of the frame, at most MaxTemporal, and Sync that it refers to the base layer
	// only. Bit t of Switch says that whoever is sent this frame can be sent, from
	// here on, all layers up to t.
	HasTemporal bool
	Temporal    uint8
	Sync        bool
	Switch      uint8

	// HasSpatial says that the stream has its spatial layers inside it: Spatial
	// is that of the packet, and LayerEnds is set on the last one of the layer's
	// part of a picture. Alone says that no layer above refers to that part.
	HasSpatial bool
	Spatial    uint8
	LayerEnds  bool
	Alone      bool
	// SpatialLayers is how many the stream has from here on, 0 if that is not said.
	SpatialLayers uint8
}

// Parse reads the start of a payload. What is cut short or malformed yields
// a Descriptor without key frame and without offsets.
func Parse(k Kind, payload []byte) Descriptor {
	var d Descriptor
	ok := true
	switch k {
	case VP8:
		d, ok = parseVP8(payload)
	case VP9:
		d, ok = parseVP9(payload)
	case H264:
		d.Keyframe = startsH264(payload)
	case H265:
		d.Keyframe = startsH265(payload)
	case AV1:
		d.Keyframe = startsAV1(payload)
	}
	if !ok {
		return Descriptor{}
	}
	return d
}

// PictureIDMask returns the bits of the picture id field.
func (d *Descriptor) PictureIDMask() uint16 {
	if d.LongPictureID {
		return 0x7fff
	}
	return 0x7f
}

// Put writes the descriptor's counters into a payload of the same layout as
// the one it was parsed from.
func (d *Descriptor) Put(payload []byte) {
	if o := int(d.PictureIDOffset); o != 0 {
		if d.LongPictureID {
			payload[o] = 0x80 | byte(d.PictureID>>8)
			payload[o+1] = byte(d.PictureID)
		} else {
			payload[o] = byte(d.PictureID) & 0x7f
		}
	}
	if o := int(d.TL0Offset); o != 0 {
		payload[o] = d.TL0
	}
	if o := int(d.KeyIdxOffset); o != 0 {
		payload[o] = payload[o]&0xe0 | d.KeyIdx&0x1f
	}
}
