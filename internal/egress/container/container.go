package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Codec is how the frames of a track are encoded.
type Codec string

// What can be kept. The values are the MIME subtypes, in lower case.
const (
	Opus Codec = "opus"
	VP8  Codec = "vp8"
	VP9  Codec = "vp9"
	AV1  Codec = "av1"
	H264 Codec = "h264"
	H265 Codec = "h265"
	// These two nobody publishes: they come of encoding anew.
	AAC Codec = "aac" // AAC-LC, without ADTS
	MP3 Codec = "mp3"
)

// CodecOf returns the codec of a MIME type such as "video/VP8"; ErrCodec if it can
// not be kept.
func CodecOf(mime string) (Codec, error) {
	_, name, _ := strings.Cut(strings.ToLower(mime), "/")
	switch c := Codec(name); c {
	case Opus, VP8, VP9, AV1, H264, H265:
		return c, nil
	}
	return "", fmt.Errorf("%w: %s", ErrCodec, mime)
}

// Video says whether the codec is of pictures.
func (c Codec) Video() bool { return c != Opus && c != AAC && c != MP3 }

// Format is a kind of file.
type Format string

// The values are the extensions of their names.
const (
	Ogg  Format = ".ogg"
	WebM Format = ".webm"
	MP4  Format = ".mp4"
	// M4A is MP4 of sound alone, MP3File frames of MP3 one after the other.
	M4A     Format = ".m4a"
	MP3File Format = ".mp3"
)

// FormatOf is the format in which a track of that codec is kept by itself.
func FormatOf(c Codec) Format {
	switch c {
	case Opus:
		return Ogg
	case H264, H265, AAC:
		return MP4
	case MP3:
		return MP3File
	}
	return WebM
}

// BestFormat is that in which the tracks are kept best: the one asked for, if it
// takes them all and there is one.
func BestFormat(tracks []Track, asked Format) Format {
	best := Ogg
	for _, t := range tracks {
		if t.Codec.Video() {
			best = FormatOf(t.Codec)
		}
	}
	if len(tracks) > 1 && best == Ogg {
		best = MP4
	}
	for _, t := range tracks {
		if !asked.keeps(t.Codec) || asked == Ogg && len(tracks) > 1 {
			return best
		}
	}
	return asked
}

// OpusDuration is how long a packet of Opus is heard; ErrFrame if it is none.
func OpusDuration(packet []byte) (time.Duration, error) {
	samples, err := opusSamples(packet)
	return ticks(int64(samples), oggRate), err
}

// Errors of this package.
var (
	ErrCodec  = errors.New("codec cannot be recorded without encoding it anew")
	ErrFormat = errors.New("no format that is known")
	ErrFrame  = errors.New("frame cannot be kept")
)

// Track is one track of a file.
type Track struct {
	Codec    Codec
	Channels int // of sound
	Rate     int // of AAC, hertz
}

// Frame is one encoded picture, or one packet of sound. H264 and H265 come as NAL
// units with a length of four bytes before each, AV1 as OBUs with sizes and
// without temporal delimiters.
type Frame struct {
	Track int // index of the track
	// At is when it is shown, since the beginning of the file. Frames of a track
	// come in order.
	At  time.Duration
	Key bool // nothing before it is needed
	// Data is not kept.
	Data []byte
}

// Writer writes one file. It is for one goroutine.
type Writer interface {
	// Write takes a frame. It fails with ErrFrame for one that cannot be kept, and
	// then the file stays as it is; any other error is that of the disk.
	Write(Frame) error
	// Put writes what there is into the file, in a state that can be played: from then on
	// the end of the process does not take it.
	Put() error
	// Sync has the disk have what was put, so that the end of the machine does not take it
	// either. It is for any goroutine, beside the others.
	Sync() error
	// Close puts and syncs, adds what is known only now, and closes the file.
	Close() error
}

// Create makes a new file for the tracks. It fails if there is one of that name.
func Create(path string, format Format, tracks []Track) (Writer, error) {
	for _, t := range tracks {
		if !format.keeps(t.Codec) {
			return nil, fmt.Errorf("%w: %s in %s", ErrCodec, t.Codec, format)
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	switch format {
	case Ogg:
		return newOgg(file, tracks[0])
	case WebM:
		return newWebM(file, tracks), nil
	case MP3File:
		return newMP3(file), nil
	default:
		return newMP4(file, tracks), nil
	}
}

// keeps says whether the codec can be in a file of that format.
func (f Format) keeps(c Codec) bool {
	switch f {
	case Ogg:
		return c == Opus
	case WebM:
		return c == Opus || c == VP8 || c == VP9 || c == AV1
	case MP4:
		return c == Opus || c == H264 || c == H265 || c == VP9 || c == AV1 || c == AAC
	case M4A:
		return c == AAC || c == Opus
	case MP3File:
		return c == MP3
	}
	return false
}

// Repair cuts off what the writer of the file left unfinished, and returns how
// long what remains plays, 0 if there is nothing in it. WebM says so in its header
// then. It is harmless on a file that is whole.
func Repair(path string) (plays time.Duration, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	stat, err := file.Stat()
	if err != nil {
		return 0, err
	}
	var whole int64
	switch Format(strings.ToLower(filepath.Ext(path))) {
	case Ogg:
		whole, plays, err = repairOgg(file, stat.Size())
	case WebM:
		var duration int64
		if whole, plays, duration, err = repairWebM(file, stat.Size()); err == nil && duration > 0 && plays > 0 {
			_, err = file.WriteAt(webmDuration(plays), duration)
		}
	case MP3File:
		whole, plays, err = repairMP3(file, stat.Size())
	case MP4, M4A:
		whole, plays, err = repairMP4(file, stat.Size())
	default:
		err = ErrFormat
	}
	if err != nil {
		return 0, fmt.Errorf("repair %s: %w", filepath.Base(path), err)
	}
	if whole < stat.Size() {
		err = errors.Join(file.Truncate(whole), file.Sync())
	}
	return plays, err
}

// ticks is how long n ticks of a clock take, of which a second has rate. It does
// not overflow within years.
func ticks(n, rate int64) time.Duration {
	return time.Duration(n/rate)*time.Second + time.Duration(n%rate)*time.Second/time.Duration(rate)
}

// inTicks is the reverse. What is before the beginning is at the beginning.
func inTicks(d time.Duration, rate int64) int64 {
	d = max(d, 0)
	return int64(d/time.Second)*rate + int64(d%time.Second)*rate/int64(time.Second)
}
