package egress

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/playlist"
	"github.com/rollcall-rtc/rollcall/internal/egress/upload"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// What is whole of a recording that goes on is sent at once: each segment, with its
// lists after it, and each image. It stays here until the recording's end is known.

// How often what changes is sent anew, at most. The list of all segments becomes long.
const (
	listEvery  = 10 * time.Second
	imageEvery = 2 * time.Second
)

// followLive has lists, and images that are overwritten, sent as they change.
func (j *job) followLive() {
	for i, o := range j.outputs {
		if j.to[i] < 0 {
			continue
		}
		switch {
		case o.Kind == wire.Segments:
			if o.LivePlaylist != "" {
				j.sender.Follow(j.parcelFile(o.LivePlaylist, j.to[i]), 0)
			}
			j.sender.Follow(j.parcelFile(o.Playlist, j.to[i]), listEvery)
		case o.Kind == wire.Images && o.Overwrite:
			j.sender.Follow(j.parcelFile(o.Path+wire.ImageExt, j.to[i]), imageEvery)
		}
	}
}

// closedPart takes a file that is whole: it counts, and goes to its store.
func (j *job) closedPart(output int, m wire.Made) {
	if output < 0 || output >= len(j.outputs) {
		return
	}
	o := j.outputs[output]
	isImage, isSegment := m.Part == wire.Image, m.Part == wire.Segment
	if !isImage && !isSegment && m.Part != wire.SegmentInit {
		return
	}
	if !o.Overwrite {
		j.closed += m.Bytes
	}
	nth := 0 // of the outputs of its kind
	for _, before := range j.outputs[:output] {
		if before.Kind == o.Kind {
			nth++
		}
	}
	j.s.mu.Lock()
	sender, to := j.sender, -1
	if output < len(j.to) {
		to = j.to[output]
	}
	j.change(func(info *livekit.EgressInfo) {
		switch {
		case isSegment && nth < len(info.SegmentResults):
			s := info.SegmentResults[nth]
			s.SegmentCount++
			s.Duration += int64(m.Plays)
			s.Size += m.Bytes
		case isImage && nth < len(info.ImageResults):
			im := info.ImageResults[nth]
			if !o.Overwrite || im.ImageCount == 0 {
				im.ImageCount++
			}
			if im.StartedAt == 0 {
				im.StartedAt = m.Begun
			}
		}
	})
	j.s.mu.Unlock()
	switch {
	case sender == nil || to < 0:
	case o.Overwrite:
		sender.Touch(m.Path)
	default:
		sender.Offer(j.parcelFile(m.Path, to))
	}
}

// soFar is what may be seen of a file that changes: lists name only what is in the
// store. It is the sender's Content.
func (j *job) soFar(p upload.Parcel, f upload.File) ([]byte, error) {
	raw, err := os.ReadFile(f.Path)
	if err != nil || !strings.HasSuffix(f.Path, ".m3u8") {
		return raw, err
	}
	sent := make(map[string]bool, len(p.Files))
	for i := range p.Files {
		if p.Files[i].Where == upload.InStore {
			sent[p.Files[i].Path] = true
		}
	}
	directory := filepath.Dir(f.Path)
	return playlist.Upto(raw, func(name string) bool { return sent[filepath.Join(directory, name)] }), nil
}

// shown says where a list of segments can be seen. It is the sender's Shown.
func (j *job) shown(f upload.File, location string) {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	if ended(j.info.Status) {
		return
	}
	known := false
	for _, s := range j.info.SegmentResults {
		known = known || s.PlaylistLocation == location || s.LivePlaylistLocation == location
	}
	if known {
		return
	}
	j.change(func(info *livekit.EgressInfo) {
		for _, s := range info.SegmentResults {
			if s.PlaylistLocation == f.Path {
				s.PlaylistLocation = location
			}
			if s.LivePlaylistLocation == f.Path {
				s.LivePlaylistLocation = location
			}
		}
	})
}
