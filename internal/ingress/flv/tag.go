package flv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Codec is what a stream is encoded with.
type Codec string

// The codecs that are understood. Others are named by ErrCodec.
const (
	H264 Codec = "H264"
	H265 Codec = "H265"
	AV1  Codec = "AV1"
	VP9  Codec = "VP9"
	VP8  Codec = "VP8"
	AAC  Codec = "AAC"
	MP3  Codec = "MP3"
	Opus Codec = "Opus"
)

// Video says whether the codec is one of pictures.
func (c Codec) Video() bool {
	switch c {
	case H264, H265, AV1, VP9, VP8:
		return true
	}
	return false
}

// Kind is what a tag carries.
type Kind uint8

// Kinds of tags.
const (
	Skip   Kind = iota // nothing that is needed: metadata, a seek command, a further track
	Config             // what a decoder needs first: avcC, hvcC, av1C, AudioSpecificConfig, OpusHead
	Frame              // one picture, or one packet of sound
	End                // the stream of this codec ends
)

// A Tag is what the body of an audio or video tag says.
type Tag struct {
	Kind  Kind
	Codec Codec
	Key   bool          // decoding can begin here
	CTS   time.Duration // how long after it is decoded the picture is shown
	Data  []byte        // of H264 and H265: NAL units, each behind its length in four bytes
}

// What is wrong with a tag.
var (
	ErrCodec = errors.New("codec is not supported")
	ErrTag   = errors.New("malformed FLV tag")
)

// fourCC of Enhanced RTMP.
var fourCC = map[string]Codec{
	"avc1": H264, "hvc1": H265, "av01": AV1, "vp09": VP9, "vp08": VP8,
	"mp4a": AAC, ".mp3": MP3, "Opus": Opus,
}

// legacyVideo and legacyAudio are the names of codecs that old clients send.
var (
	legacyVideo = [16]string{1: "JPEG", 2: "Sorenson H.263", 3: "Screen Video", 4: "VP6", 5: "VP6 with alpha", 6: "Screen Video 2"}
	legacyAudio = [16]string{
		0: "PCM", 1: "ADPCM", 3: "PCM", 4: "Nellymoser 16 kHz", 5: "Nellymoser 8 kHz", 6: "Nellymoser",
		7: "G.711 A-law", 8: "G.711 mu-law", 11: "Speex", 14: "MP3 8 kHz", 15: "device-specific sound",
	}
)

func unsupported(name string, id byte) error {
	if name == "" {
		name = fmt.Sprintf("number %d", id)
	}
	return fmt.Errorf("%w: %s", ErrCodec, name)
}

// Packet types of Enhanced RTMP.
const (
	packetSequenceStart   = 0
	packetCodedFrames     = 1
	packetSequenceEnd     = 2
	packetCodedFramesX    = 3 // of video: CTS is 0
	packetMetadata        = 4 // of video
	packetMPEG2TSSequence = 5 // of video
	packetMultitrack      = 6 // of video
	packetModEx           = 7
	packetMultitrackAudio = 5
)

// ParseVideo reads the body of a video tag. Data is a part of it.
func ParseVideo(b []byte) (Tag, error) {
	if len(b) == 0 {
		return Tag{}, nil // some send empty ones to keep the connection
	}
	frame := b[0] >> 4 & 7
	if b[0]&0x80 != 0 {
		return parseVideoEx(b, frame)
	}
	if frame == 5 { // a command: seek begins, seek ends
		return Tag{}, nil
	}
	t := Tag{Key: frame == 1}
	switch id := b[0] & 15; id {
	case 7:
		t.Codec = H264
	case 12: // not in the specification, but sent
		t.Codec = H265
	default:
		return Tag{}, unsupported(legacyVideo[id], id)
	}
	if len(b) < 5 {
		return Tag{}, fmt.Errorf("%w: %d bytes of %s", ErrTag, len(b), t.Codec)
	}
	t.CTS, t.Data = cts(b[2:]), b[5:]
	switch b[1] {
	case 0:
		t.Kind = Config
	case 1:
		t.Kind = Frame
	case 2:
		t.Kind = End
	default:
		return Tag{}, nil
	}
	return t.checked()
}

func parseVideoEx(b []byte, frame byte) (Tag, error) {
	packet, b := b[0]&15, b[1:]
	packet, b, err := modEx(packet, b)
	if err != nil {
		return Tag{}, err
	}
	if packet == packetMultitrack || frame == 5 {
		return Tag{}, nil // the default track comes outside of these
	}
	t := Tag{Key: frame == 1}
	if t.Codec, b, err = codecOf(b); err != nil {
		return Tag{}, err
	}
	if !t.Codec.Video() {
		return Tag{}, fmt.Errorf("%w: %s among video", ErrTag, t.Codec)
	}
	switch packet {
	case packetSequenceStart:
		t.Kind = Config
	case packetCodedFrames:
		t.Kind = Frame
		if t.Codec == H264 || t.Codec == H265 {
			if len(b) < 3 {
				return Tag{}, fmt.Errorf("%w: no composition time", ErrTag)
			}
			t.CTS, b = cts(b), b[3:]
		}
	case packetCodedFramesX:
		t.Kind = Frame
	case packetSequenceEnd:
		t.Kind = End
	default:
		return Tag{}, nil
	}
	t.Data = b
	return t.checked()
}

// checked leaves out what is empty, and refuses a frame whose units do not fill it.
func (t Tag) checked() (Tag, error) {
	if t.Kind != End && len(t.Data) == 0 {
		return Tag{}, nil
	}
	if t.Kind != Frame || t.Codec != H264 && t.Codec != H265 {
		return t, nil
	}
	for b := t.Data; len(b) > 0; {
		if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
			return Tag{}, fmt.Errorf("%w: NAL units of %s do not fill it", ErrTag, t.Codec)
		}
		b = b[4+binary.BigEndian.Uint32(b):]
	}
	return t, nil
}

// ParseAudio reads the body of an audio tag. Data is a part of it.
func ParseAudio(b []byte) (Tag, error) {
	if len(b) == 0 {
		return Tag{}, nil
	}
	t := Tag{Key: true, Kind: Frame}
	switch id := b[0] >> 4; id {
	case 10:
		t.Codec = AAC
		if len(b) < 2 {
			return Tag{}, fmt.Errorf("%w: %d bytes of %s", ErrTag, len(b), t.Codec)
		}
		if b[1] == 0 {
			t.Kind = Config
		}
		t.Data = b[2:]
	case 2:
		t.Codec, t.Data = MP3, b[1:]
	case 13: // not in the specification, but sent
		t.Codec, t.Data = Opus, b[1:]
	case 9:
		return parseAudioEx(b)
	default:
		return Tag{}, unsupported(legacyAudio[id], id)
	}
	return t.checked()
}

func parseAudioEx(b []byte) (Tag, error) {
	packet, b, err := modEx(b[0]&15, b[1:])
	if err != nil {
		return Tag{}, err
	}
	if packet == packetMultitrackAudio {
		return Tag{}, nil
	}
	t := Tag{Key: true}
	if t.Codec, t.Data, err = codecOf(b); err != nil {
		return Tag{}, err
	}
	if t.Codec.Video() {
		return Tag{}, fmt.Errorf("%w: %s among audio", ErrTag, t.Codec)
	}
	switch packet {
	case packetSequenceStart:
		t.Kind = Config
	case packetCodedFrames:
		t.Kind = Frame
	case packetSequenceEnd:
		t.Kind = End
	default:
		return Tag{}, nil
	}
	return t.checked()
}

// modEx steps over modifiers, such as nanoseconds, that stand before the packet.
func modEx(packet byte, b []byte) (byte, []byte, error) {
	for packet == packetModEx {
		if len(b) < 1 {
			return 0, nil, fmt.Errorf("%w: modifier", ErrTag)
		}
		size := int(b[0]) + 1
		b = b[1:]
		if size == 256 {
			if len(b) < 2 {
				return 0, nil, fmt.Errorf("%w: modifier", ErrTag)
			}
			size = int(binary.BigEndian.Uint16(b)) + 1
			b = b[2:]
		}
		if len(b) < size+1 {
			return 0, nil, fmt.Errorf("%w: modifier", ErrTag)
		}
		packet, b = b[size]&15, b[size+1:]
	}
	return packet, b, nil
}

func codecOf(b []byte) (Codec, []byte, error) {
	if len(b) < 4 {
		return "", nil, fmt.Errorf("%w: no codec", ErrTag)
	}
	c, ok := fourCC[string(b[:4])]
	if !ok {
		return "", nil, fmt.Errorf("%w: %q", ErrCodec, b[:4])
	}
	return c, b[4:], nil
}

// cts is a signed number of 24 bits, in milliseconds.
func cts(b []byte) time.Duration {
	v := int32(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8) >> 8
	return time.Duration(v) * time.Millisecond
}
