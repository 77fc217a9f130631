package ffmpeg

import (
	"encoding/binary"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
)

// Pictures as they are have no times, so a child gets them in Matroska, as clusters of
// one uncompressed block each (RFC 9559 §5.1.3.1). A picture that is left out leaves
// a gap there, and nothing is shifted.
const (
	mkEBML            = 0x1A45DFA3
	mkDocType         = 0x4282
	mkInfo            = 0x1549A966
	mkTimestampScale  = 0x2AD7B1
	mkTrackUID        = 0x73C5
	mkTrackType       = 0x83
	mkDefaultDuration = 0x23E383
	mkVideo           = 0xE0
	mkPixelWidth      = 0xB0
	mkPixelHeight     = 0xBA
	mkColourSpace     = 0x2EB524
)

// appendElement appends an element, whose size has eight bytes.
func appendElement(b []byte, id uint32, content ...byte) []byte {
	return append(appendHead(b, id, len(content)), content...)
}

func appendHead(b []byte, id uint32, size int) []byte {
	switch {
	case id >= 1<<24:
		b = binary.BigEndian.AppendUint32(b, id)
	case id >= 1<<16:
		b = append(b, byte(id>>16), byte(id>>8), byte(id))
	case id >= 1<<8:
		b = append(b, byte(id>>8), byte(id))
	default:
		b = append(b, byte(id))
	}
	return binary.BigEndian.AppendUint64(b, 1<<56|uint64(size))
}

func appendNumber(b []byte, id uint32, n uint64) []byte {
	return appendElement(b, id, binary.BigEndian.AppendUint64(nil, n)...)
}

// rawHeader begins a stream of pictures of that size, so many a second.
func rawHeader(width, height, framerate int) []byte {
	b := appendElement(nil, mkEBML, appendElement(nil, mkDocType, []byte("matroska")...)...)
	b = binary.BigEndian.AppendUint32(b, mkSegment)
	b = append(b, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) // of unknown size
	b = appendElement(b, mkInfo, appendNumber(nil, mkTimestampScale, uint64(time.Millisecond))...)
	video := appendNumber(nil, mkPixelWidth, uint64(width))
	video = appendNumber(video, mkPixelHeight, uint64(height))
	video = appendElement(video, mkColourSpace, []byte("I420")...)
	track := appendNumber(nil, mkTrackNumber, 1)
	track = appendNumber(track, mkTrackUID, 1)
	track = appendNumber(track, mkTrackType, 1)
	track = appendNumber(track, mkDefaultDuration, uint64(time.Second)/uint64(framerate))
	track = appendElement(track, mkCodecID, []byte("V_UNCOMPRESSED")...)
	track = appendElement(track, mkVideo, video...)
	return appendElement(b, mkTracks, appendElement(nil, mkTrackEntry, track...)...)
}

// blockHead is how long what rawPicture puts before a picture is.
const blockHead = (4 + 8) + (1 + 8 + 8) + (1 + 8) + 4

// rawPicture appends a picture that is seen at that time, in whole milliseconds.
func rawPicture(b []byte, at time.Duration, p *compose.Picture) []byte {
	block := 4 + len(p.Pix)
	b = appendHead(b, mkCluster, blockHead-(4+8)+len(p.Pix))
	b = appendNumber(b, mkTimestamp, uint64(at.Round(time.Millisecond)/time.Millisecond))
	b = appendHead(b, mkSimpleBlock, block)
	b = append(b, 0x81, 0, 0, 0x80) // the track, its distance from the cluster's time, a key frame
	return append(b, p.Pix...)
}
