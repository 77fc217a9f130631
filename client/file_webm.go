package client

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/at-wat/ebml-go"
	"github.com/at-wat/ebml-go/webm"
)

// webmSource plays the frames of a WebM file, which was read as a whole.
type webmSource struct{ frames []frame }

func (s *webmSource) next() (frame, error) {
	if len(s.frames) == 0 {
		return frame{}, io.EOF
	}
	f := s.frames[0]
	s.frames = s.frames[1:]
	return f, nil
}

func openWebM(in io.Reader) (*File, error) {
	var doc struct {
		Header  webm.EBMLHeader `ebml:"EBML"`
		Segment webm.Segment    `ebml:"Segment,size=unknown"`
	}
	if err := ebml.Unmarshal(in, &doc, ebml.WithIgnoreUnknown(true)); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", ErrUnknownMedia, err)
	}
	f, s := &File{}, &webmSource{}
	index := map[uint64]int{}
	for _, t := range doc.Segment.Tracks.TrackEntry {
		codec, known := codecOfWebM(t.CodecID)
		if !known || slices.ContainsFunc(f.tracks, func(l *LocalTrack) bool { return kindOf(l.codec) == kindOf(codec) }) {
			continue
		}
		index[t.TrackNumber] = len(f.tracks)
		f.tracks = append(f.tracks, NewLocalTrack(codec))
		if t.Video != nil {
			f.width, f.height = uint32(t.Video.PixelWidth), uint32(t.Video.PixelHeight)
		}
	}
	if len(f.tracks) == 0 {
		return nil, fmt.Errorf("%w: WebM without a track that can be played", ErrUnknownMedia)
	}
	scale := time.Duration(doc.Segment.Info.TimecodeScale)
	if scale <= 0 || scale > time.Second {
		scale = time.Millisecond
	}
	for _, c := range doc.Segment.Cluster {
		blocks := c.SimpleBlock
		for _, g := range c.BlockGroup {
			blocks = append(blocks, g.Block)
		}
		for _, b := range blocks {
			track, known := index[b.TrackNumber]
			ticks := int64(c.Timecode) + int64(b.Timecode)
			if !known || ticks < 0 || ticks > 1<<31 {
				continue
			}
			for _, data := range b.Data {
				s.frames = append(s.frames, frame{track: track, at: time.Duration(ticks) * scale, Sample: Sample{Data: data}})
			}
		}
	}
	slices.SortStableFunc(s.frames, func(a, b frame) int { return int(max(-1, min(1, a.at-b.at))) })
	s.setDurations(f.tracks)
	f.source = s
	return f, nil
}

// setDurations has each frame last until the next of its track begins, and the
// last as long as the one before it.
func (s *webmSource) setDurations(tracks []*LocalTrack) {
	last := make([]*frame, len(tracks))
	duration := make([]time.Duration, len(tracks))
	for i := range s.frames {
		f := &s.frames[i]
		if before := last[f.track]; before != nil {
			before.Duration = f.at - before.at
			duration[f.track] = before.Duration
		}
		last[f.track] = f
	}
	for i, f := range last {
		if f != nil {
			f.Duration = duration[i]
		}
	}
}
