package ffmpeg

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// A Stream is what pictures, or sound, of the input are encoded with.
type Stream struct {
	// Codec is empty for those that the FLV of any ffmpeg knows: H264, AAC and MP3.
	Codec flv.Codec
	// Config is what the decoder needs first, as tags of configuration have it; empty
	// if the frames have it. Opus and MP3 need none.
	Config        []byte
	Width, Height int // of pictures, 0 if not known
	Rate          int // of sound, hertz
	Channels      int // of sound
}

// matroskaCodecs are the names of codecs in Matroska (RFC 9559, and the registry of
// codecs that belongs to it).
var matroskaCodecs = map[flv.Codec]string{
	flv.H264: "V_MPEG4/ISO/AVC", flv.H265: "V_MPEGH/ISO/HEVC", flv.VP8: "V_VP8", flv.VP9: "V_VP9", flv.AV1: "V_AV1",
	flv.AAC: "A_AAC", flv.MP3: "A_MPEG/L3", flv.Opus: "A_OPUS",
}

// matroska says whether the child is handed Matroska: FLV of an ffmpeg before 6.1 has
// none of the codecs that came later, and of Opus and VP8 none before 7 or 8.
func (j Job) matroska() bool {
	later := func(c flv.Codec) bool { return c != "" && c != flv.H264 && c != flv.AAC && c != flv.MP3 }
	return j.Pictures && later(j.PicturesAs.Codec) || j.Sound && later(j.SoundAs.Codec)
}

// Numbers of tracks.
const (
	matroskaPictures = 1
	matroskaSound    = 2
)

// appendMatroska appends what a stream begins with (RFC 9559 §4.5). Times are in
// milliseconds.
func (j Job) appendMatroska(b []byte) []byte {
	b = appendElement(b, 0x1A45DFA3, concat( // EBML (RFC 8794 §11.2)
		appendNumber(nil, 0x4286, 1), // EBMLVersion
		appendNumber(nil, 0x42F7, 1), // EBMLReadVersion
		appendNumber(nil, 0x42F2, 4), // EBMLMaxIDLength
		appendNumber(nil, 0x42F3, 8), // EBMLMaxSizeLength
		appendElement(nil, 0x4282, []byte("matroska")),
		appendNumber(nil, 0x4287, 4), // DocTypeVersion
		appendNumber(nil, 0x4285, 2), // DocTypeReadVersion
	))
	b = append(b, 0x18, 0x53, 0x80, 0x67, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF) // Segment, of a size that is not known
	b = appendElement(b, 0x1549A966, concat(                                              // Info
		appendNumber(nil, 0x2AD7B1, uint64(time.Millisecond)), // TimestampScale
		appendElement(nil, 0x4D80, []byte("rollcall")),        // MuxingApp
		appendElement(nil, 0x5741, []byte("rollcall")),        // WritingApp
	))
	var tracks []byte
	if j.Pictures {
		s := j.PicturesAs
		if s.Codec == "" {
			s.Codec = flv.H264
		}
		tracks = append(tracks, s.matroskaTrack(matroskaPictures, 1, appendElement(nil, 0xE0, concat( // Video
			appendNumber(nil, 0xB0, uint64(max(s.Width, 2))),  // PixelWidth: the decoder knows better
			appendNumber(nil, 0xBA, uint64(max(s.Height, 2))), // PixelHeight
		)))...)
	}
	if j.Sound {
		s := j.SoundAs
		if s.Codec == "" {
			s.Codec = flv.AAC
		}
		if s.Codec == flv.Opus {
			s.Config = opusHead(s.Channels)
		}
		rate := binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(s.Rate)))
		tracks = append(tracks, s.matroskaTrack(matroskaSound, 2, appendElement(nil, 0xE1, concat( // Audio
			appendElement(nil, 0xB5, rate),                      // SamplingFrequency
			appendNumber(nil, 0x9F, uint64(max(s.Channels, 1))), // Channels
		)))...)
	}
	return appendElement(b, 0x1654AE6B, tracks)
}

// matroskaTrack is the entry of a track of that type.
func (s Stream) matroskaTrack(number, kind uint64, about []byte) []byte {
	entry := concat(
		appendNumber(nil, 0xD7, number),   // TrackNumber
		appendNumber(nil, 0x73C5, number), // TrackUID
		appendNumber(nil, 0x83, kind),     // TrackType
		appendNumber(nil, 0x9C, 0),        // FlagLacing
		appendElement(nil, 0x86, []byte(matroskaCodecs[s.Codec])),
	)
	if len(s.Config) > 0 {
		entry = appendElement(entry, 0x63A2, s.Config) // CodecPrivate
	}
	return appendElement(nil, 0xAE, append(entry, about...))
}

// opusHead is the configuration of Opus (RFC 7845 §5.1) in which nothing is skipped.
func opusHead(channels int) []byte {
	b := append([]byte("OpusHead"), 1, byte(min(max(channels, 1), 2)), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, sampleRate)
	return append(b, 0, 0, 0)
}

// appendFrame appends a frame, to be shown or heard at that time: a cluster of its own,
// so that nobody waits for what follows.
func appendFrame(b []byte, track byte, at time.Duration, key bool, data []byte) []byte {
	var head [4]byte
	head[0] = 0x80 | track // then its time since that of the cluster
	if key {
		head[3] = 0x80
	}
	timestamp := appendNumber(nil, 0xE7, uint64(max(at, 0)/time.Millisecond))
	block := appendHead(nil, 0xA3, len(head)+len(data)) // SimpleBlock
	b = appendHead(b, 0x1F43B675, len(timestamp)+len(block)+len(head)+len(data))
	b = append(append(b, timestamp...), block...)
	return append(append(b, head[:]...), data...)
}

func concat(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func appendNumber(b []byte, id uint32, n uint64) []byte {
	return appendElement(b, id, binary.BigEndian.AppendUint64(nil, n))
}

func appendElement(b []byte, id uint32, content []byte) []byte {
	return append(appendHead(b, id, len(content)), content...)
}

// appendHead appends an id, and a size in eight bytes (RFC 8794 §4, §5).
func appendHead(b []byte, id uint32, size int) []byte {
	switch {
	case id > 0xFFFFFF:
		b = append(b, byte(id>>24), byte(id>>16), byte(id>>8))
	case id > 0xFFFF:
		b = append(b, byte(id>>16), byte(id>>8))
	case id > 0xFF:
		b = append(b, byte(id>>8))
	}
	b = append(b, byte(id))
	return binary.BigEndian.AppendUint64(b, 1<<56|uint64(size))
}
