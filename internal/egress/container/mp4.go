package container

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"

	"github.com/rollcall-rtc/rollcall/internal/egress/picture"
)

// partTime is how much is in a fragment: what may be lost with the process.
const partTime = 500 * time.Millisecond

// The clocks of tracks in MP4.
const (
	videoScale = 90000
	audioScale = 48000
)

// fragmenter makes fragments. A track's frame is in one when the next frame is there,
// which says how long it is shown.
type fragmenter struct {
	out    func(b []byte, header bool) error // first the header, then fragments
	tracks []*mp4Track
	early  []Frame // what came before the header, copied
	begun  bool
	number uint32
	data   []byte // of the samples of the fragment
	part   []byte // what is written
	err    error
}

type mp4Track struct {
	Track
	codec   codecs.Codec // nil before its first key frame
	scale   int64
	waiting bool   // next is a sample whose end is not known yet
	next    sample // shown from at on
	at      int64
	base    int64 // when the first sample of the fragment is
	samples []sample
	kept    []byte // data of the waiting sample, if it is older than the fragment
	last    uint32 // how long the one before was shown
}

// mp4Writer writes fragments into one file.
type mp4Writer struct {
	fragmenter
	file *os.File
}

func newMP4(file *os.File, tracks []Track) *mp4Writer {
	w := &mp4Writer{file: file}
	w.out = func(b []byte, _ bool) error {
		_, err := file.Write(b)
		return err
	}
	w.of(tracks)
	return w
}

// of sets the tracks.
func (w *fragmenter) of(tracks []Track) {
	for _, t := range tracks {
		mt := &mp4Track{Track: t, scale: videoScale}
		if !t.Codec.Video() {
			mt.scale, mt.codec = audioScale, &codecs.Opus{ChannelCount: max(t.Channels, 1)}
		}
		if t.Codec == AAC {
			mt.scale, mt.codec = int64(t.Rate), &codecs.MPEG4Audio{Config: mpeg4audio.AudioSpecificConfig{
				Type: mpeg4audio.ObjectTypeAACLC, SampleRate: t.Rate, ChannelConfig: uint8(max(t.Channels, 1)), ChannelCount: max(t.Channels, 1),
			}}
		}
		w.tracks = append(w.tracks, mt)
	}
}

// Write implements Writer.
func (w *fragmenter) Write(f Frame) error {
	if w.err != nil {
		return w.err
	}
	t := w.tracks[f.Track]
	if t.codec == nil {
		if w.begun {
			return fmt.Errorf("%w: its first picture came too late", ErrFrame)
		}
		if t.codec = parameters(t.Codec, f.Data); t.codec == nil {
			return fmt.Errorf("%w: the first picture has no parameter sets", ErrFrame)
		}
	}
	if w.begun {
		w.add(f)
		return w.err
	}
	f.Data = bytes.Clone(f.Data)
	if w.early = append(w.early, f); w.complete() || len(w.early) > maxEarly {
		w.begin()
	}
	return w.err
}

func (w *fragmenter) complete() bool {
	for _, t := range w.tracks {
		if t.codec == nil {
			return false
		}
	}
	return true
}

// parameters finds what a header says of the codec in a picture; nil without it.
func parameters(codec Codec, data []byte) codecs.Codec {
	switch codec {
	case VP9:
		var h vp9.Header
		if h.Unmarshal(data) != nil || h.NonKeyFrame || h.ShowExistingFrame || h.ColorConfig == nil {
			return nil
		}
		width, height, ok := picture.VP9Size(data)
		if !ok {
			return nil
		}
		c := &codecs.VP9{Width: width, Height: height, Profile: h.Profile, BitDepth: h.ColorConfig.BitDepth, ColorRange: h.ColorConfig.ColorRange}
		c.ChromaSubsampling = h.ChromaSubsampling()
		return c
	case AV1:
		if header := picture.SequenceHeader(data); header != nil {
			return &codecs.AV1{SequenceHeader: header}
		}
		return nil
	}
	var units h264.AVCC
	if units.Unmarshal(data) != nil {
		return nil
	}
	var vps, sps, pps []byte
	for _, u := range units {
		if len(u) == 0 {
			continue
		}
		if codec == H264 {
			switch h264.NALUType(u[0] & 31) {
			case h264.NALUTypeSPS:
				sps = u
			case h264.NALUTypePPS:
				pps = u
			}
			continue
		}
		switch h265.NALUType(u[0] >> 1 & 63) {
		case h265.NALUType_VPS_NUT:
			vps = u
		case h265.NALUType_SPS_NUT:
			sps = u
		case h265.NALUType_PPS_NUT:
			pps = u
		}
	}
	switch {
	case codec == H264 && sps != nil && pps != nil:
		return &codecs.H264{SPS: bytes.Clone(sps), PPS: bytes.Clone(pps)}
	case codec == H265 && vps != nil && sps != nil && pps != nil:
		return &codecs.H265{VPS: bytes.Clone(vps), SPS: bytes.Clone(sps), PPS: bytes.Clone(pps)}
	}
	return nil
}

func (w *fragmenter) begin() {
	if w.begun || len(w.early) == 0 {
		return
	}
	w.begun = true
	var init fmp4.Init
	for i, t := range w.tracks {
		if t.codec != nil {
			init.Tracks = append(init.Tracks, &fmp4.InitTrack{ID: i + 1, TimeScale: uint32(t.scale), Codec: t.codec})
		}
	}
	var b seekablebuffer.Buffer
	if w.err = init.Marshal(&b); w.err == nil {
		w.err = w.out(b.Bytes(), true)
	}
	for _, f := range w.early {
		w.add(f)
	}
	w.early = nil
}

func (w *fragmenter) add(f Frame) {
	t := w.tracks[f.Track]
	at := inTicks(f.At, t.scale)
	if t.waiting {
		if at <= t.at {
			at = t.at + 1
		}
		t.finish(at)
	}
	from := len(w.data)
	w.data = append(w.data, f.Data...)
	t.waiting, t.next, t.at = true, sample{key: f.Key || !t.Codec.Video(), data: w.data[from:]}, at
	if len(t.samples) > 0 && ticks(at-t.base, t.scale) >= partTime {
		w.endPart()
	}
}

// finish says of the waiting sample that it is shown until then.
func (t *mp4Track) finish(until int64) {
	if len(t.samples) == 0 {
		t.base = t.at
	}
	t.last = uint32(until - t.at)
	t.next.length = t.last
	t.samples = append(t.samples, t.next)
	t.waiting = false
}

func (w *fragmenter) endPart() {
	if !slices.ContainsFunc(w.tracks, func(t *mp4Track) bool { return len(t.samples) > 0 }) {
		return
	}
	w.part = appendPart(w.part[:0], w.number, w.tracks)
	w.number++
	if w.err == nil {
		w.err = w.out(w.part, false)
	}
	for _, t := range w.tracks {
		clear(t.samples)
		t.samples = t.samples[:0]
		if t.waiting {
			t.kept = append(t.kept[:0], t.next.data...)
			t.next.data = t.kept
		}
	}
	w.data = w.data[:0]
}

// Put implements Writer. The last frame of each track waits for the next one.
func (w *mp4Writer) Put() error {
	if w.begun {
		w.endPart()
	}
	return w.err
}

// Sync implements Writer.
func (w *mp4Writer) Sync() error { return w.file.Sync() }

// LongestLast is for how long the last frame of a file is shown at most: nothing says, and
// the one before it may have been shown for an hour.
const LongestLast = time.Second

// endAll puts all that there is into a fragment.
func (w *fragmenter) endAll() {
	w.begin()
	for _, t := range w.tracks {
		if t.waiting {
			t.finish(t.at + min(int64(max(t.last, 1)), inTicks(LongestLast, t.scale)))
		}
	}
	w.endPart()
}

// Close implements Writer.
func (w *mp4Writer) Close() error {
	w.endAll()
	if w.err == nil {
		w.err = w.file.Sync()
	}
	if err := w.file.Close(); w.err == nil {
		w.err = err
	}
	return w.err
}

// repairMP4 finds the end of the last fragment whose data is whole.
func repairMP4(r io.ReaderAt, size int64) (whole int64, plays time.Duration, err error) {
	whole, parts, err := wholeParts(r, size)
	return whole, mp4Plays(parts), err
}

// wholeParts finds the end of the last fragment whose data is whole, and the
// descriptions of all: the header's, and those of fragments.
func wholeParts(r io.ReaderAt, size int64) (whole int64, parts [][]byte, err error) {
	var pending []byte // one whose data is still to come
	for at := int64(0); at < size; {
		var head [8]byte
		if n, err := r.ReadAt(head[:], at); n < len(head) {
			if err != io.EOF {
				return 0, nil, err
			}
			break
		}
		length := int64(binary.BigEndian.Uint32(head[:]))
		if length < 8 || at+length > size {
			break
		}
		kind := string(head[4:])
		if kind == "moof" || kind == "moov" {
			box := make([]byte, length)
			if _, err := r.ReadAt(box, at); err != nil {
				return 0, nil, err
			}
			pending = box
		}
		at += length
		if kind != "moof" { // which is nothing without its data
			whole = at
			parts, pending = append(parts, pending), nil
		}
	}
	return whole, parts, nil
}

// mp4Plays is the end of the last sample of fragments of ours.
func mp4Plays(parts [][]byte) time.Duration {
	_, plays := mp4Span(parts)
	return plays
}

// mp4Span is the beginning of the first sample and the end of the last of fragments
// of ours, after their header, which have the same boxes always.
func mp4Span(parts [][]byte) (first, plays time.Duration) {
	scales := map[uint32]int64{}
	first = -1
	for _, box := range parts {
		var track uint32
		var base, length int64
		eachBox(box, func(kind string, b []byte) {
			switch {
			case kind == "tkhd" && len(b) >= 16:
				track = binary.BigEndian.Uint32(b[12:])
			case kind == "mdhd" && len(b) >= 16:
				scales[track] = int64(binary.BigEndian.Uint32(b[12:]))
			case kind == "tfhd" && len(b) >= 8:
				track = binary.BigEndian.Uint32(b[4:])
			case kind == "tfdt" && len(b) >= 12:
				base, length = int64(binary.BigEndian.Uint64(b[4:])), 0
			case kind == "trun" && len(b) >= 12:
				flags := binary.BigEndian.Uint32(b) & 0xffffff
				entry := 0
				for f := uint32(0x100); f <= 0x800; f <<= 1 {
					if flags&f != 0 {
						entry += 4
					}
				}
				if flags&0x100 == 0 || entry == 0 {
					return
				}
				for b = b[12:]; len(b) >= entry; b = b[entry:] {
					length += int64(binary.BigEndian.Uint32(b))
				}
				if scale := scales[track]; scale > 0 {
					plays = max(plays, ticks(base+length, scale))
					if at := ticks(base, scale); first < 0 || at < first {
						first = at
					}
				}
			}
		})
	}
	return max(first, 0), plays
}

// eachBox calls f with the content of each box that is no container.
func eachBox(b []byte, f func(kind string, content []byte)) {
	for len(b) >= 8 {
		length := int(binary.BigEndian.Uint32(b))
		if length < 8 || length > len(b) {
			return
		}
		switch kind := string(b[4:8]); kind {
		case "moov", "trak", "mdia", "moof", "traf":
			eachBox(b[8:length], f)
		default:
			f(kind, b[8:length])
		}
		b = b[length:]
	}
}
