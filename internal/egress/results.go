package egress

import (
	"os"
	"path/filepath"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/playlist"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// forOlder fills in what older clients read.
func forOlder(info *livekit.EgressInfo) {
	//nolint:staticcheck // that is what they read
	switch {
	case len(info.FileResults) > 0:
		info.Result = &livekit.EgressInfo_File{File: info.FileResults[0]}
	case len(info.SegmentResults) > 0:
		info.Result = &livekit.EgressInfo_Segments{Segments: info.SegmentResults[0]}
	case len(info.StreamResults) > 0:
		info.Result = &livekit.EgressInfo_Stream{Stream: &livekit.StreamInfoList{Info: info.StreamResults}}
	default:
		info.Result = nil
	}
}

// began notes when the first media came, where nothing better is known.
func began(info *livekit.EgressInfo, at int64) {
	for _, f := range info.FileResults {
		if f.StartedAt == 0 {
			f.StartedAt = at
		}
	}
	for _, s := range info.SegmentResults {
		if s.StartedAt == 0 {
			s.StartedAt = at
		}
	}
}

// socketBegan notes when a WebSocket got its first media; destinations of streams
// say that each for itself.
func socketBegan(info *livekit.EgressInfo, at int64) {
	for _, s := range info.StreamResults {
		if s.StartedAt == 0 {
			s.StartedAt = at
		}
	}
}

// opened notes a file that is begun, in place of what was expected of the first.
func opened(info *livekit.EgressInfo, m wire.Made) {
	f := &livekit.FileInfo{Filename: filepath.Base(m.Path), Location: m.Path, StartedAt: m.Begun}
	if len(info.FileResults) == 1 && info.FileResults[0].StartedAt == 0 {
		info.FileResults = nil
	}
	info.FileResults = append(info.FileResults, f)
}

// finished writes into info how it ended, and what there is.
func finished(info *livekit.EgressInfo, status livekit.EgressStatus, why, problem string, code int32, outputs []wire.Output, made [][]wire.Made) {
	now := time.Now().UnixNano()
	info.Status, info.Details, info.Error, info.ErrorCode, info.EndedAt = status, why, problem, code, now
	begun := int64(0) // of the first, where the worker could not say
	for _, f := range info.FileResults {
		begun = max(begun, f.StartedAt)
	}
	info.FileResults, info.SegmentResults = nil, nil
	images := info.ImageResults
	info.ImageResults = nil
	for _, s := range info.StreamResults {
		if s.EndedAt == 0 {
			s.EndedAt = now
			if s.Status == livekit.StreamInfo_ACTIVE {
				s.Status = livekit.StreamInfo_FINISHED
			}
			if s.StartedAt != 0 {
				s.Duration = now - s.StartedAt
			}
		}
	}
	for i, files := range made {
		if outputs[i].Kind == wire.Images {
			if len(images) > 0 {
				info.ImageResults = append(info.ImageResults, imagesOf(images[0], files))
				images = images[1:]
			}
			continue
		}
		if len(files) == 0 {
			continue
		}
		if outputs[i].Kind == wire.Segments {
			info.SegmentResults = append(info.SegmentResults, segmentsOf(files))
			continue
		}
		for _, m := range files {
			if m.Begun == 0 {
				m.Begun = begun
			}
			if m.Begun == 0 {
				m.Begun = now - int64(m.Plays)
			}
			info.FileResults = append(info.FileResults, &livekit.FileInfo{
				Filename: filepath.Base(m.Path), Location: m.Path, Size: m.Bytes, Duration: int64(m.Plays),
				StartedAt: m.Begun, EndedAt: m.Begun + int64(m.Plays),
			})
		}
	}
}

// imagesOf adds to what was said of an output in images what it is made of.
func imagesOf(info *livekit.ImagesInfo, files []wire.Made) *livekit.ImagesInfo {
	info.ImageCount = int64(len(files))
	if len(files) > 0 {
		info.StartedAt, info.EndedAt = files[0].Begun, files[len(files)-1].Begun
	}
	return info
}

// segmentsOf describes what an output in segments is made of.
func segmentsOf(files []wire.Made) *livekit.SegmentsInfo {
	s := new(livekit.SegmentsInfo)
	for _, m := range files {
		switch m.Part {
		case wire.Playlist:
			s.PlaylistName, s.PlaylistLocation = filepath.Base(m.Path), m.Path
		case wire.LivePlaylist:
			s.LivePlaylistName, s.LivePlaylistLocation = filepath.Base(m.Path), m.Path
		case wire.Segment:
			s.SegmentCount++
			s.Duration += int64(m.Plays)
			if s.StartedAt == 0 {
				s.StartedAt = m.Begun
			}
			s.EndedAt = m.Begun + int64(m.Plays)
		}
		s.Size += m.Bytes
	}
	return s
}

func nothing(made [][]wire.Made) bool {
	for _, files := range made {
		if len(files) > 0 {
			return false
		}
	}
	return true
}

// playsOf is how long the longest output is.
func playsOf(made [][]wire.Made) (longest time.Duration) {
	for _, files := range made {
		var all time.Duration
		for _, m := range files {
			all += m.Plays
		}
		longest = max(longest, all)
	}
	return longest
}

// salvage makes whole what the worker of a job left, by what it noted. What has
// nothing in it is removed.
func (s *Service) salvage(id string, outputs []wire.Output) [][]wire.Made {
	notes, err := wire.Journal(s.journal(id))
	if err != nil {
		s.opts.Logger.Error("read what the worker of a recording noted", "egress", id, "error", err)
	}
	made := make([][]wire.Made, len(outputs))
	for _, e := range notes {
		if e.Output < 0 || e.Output >= len(outputs) {
			continue
		}
		if outputs[e.Output].Kind != wire.File {
			continue
		}
		if m := salvage(e); m.Bytes > 0 {
			made[e.Output] = append(made[e.Output], m)
		}
	}
	for i, out := range outputs {
		if out.Kind == wire.Segments {
			made[i] = salvageSegments(i, out, notes)
		}
		if out.Kind == wire.Images {
			made[i] = salvageImages(i, notes)
		}
	}
	return made
}

// salvageSegments makes whole the segments of an output, and ends its lists.
func salvageSegments(output int, out wire.Output, notes []wire.Entry) (made []wire.Made) {
	var segments []playlist.Segment
	header := ""
	begun := map[string]bool{} // all else is not the job's
	for _, e := range notes {
		begun[e.Path] = begun[e.Path] || e.Output == output
		switch {
		case e.Output != output:
		case e.Part == wire.SegmentInit:
			header = e.Path
		case e.Part == wire.Segment:
			segments = append(segments, playlist.Segment{Path: e.Path, Header: header, Begun: time.Unix(0, e.Begun)})
		}
	}
	kept, err := playlist.Finish(out.Playlist, out.LivePlaylist, segments, func(s playlist.Segment) time.Duration {
		plays, err := container.RepairSegment(s.Header, s.Path)
		if err != nil || plays == 0 {
			_ = os.Remove(s.Path)
			return 0
		}
		return plays
	})
	keep := func(path string, part wire.MadeAs, s playlist.Segment) {
		if stat, err := os.Stat(path); err == nil {
			m := wire.Made{Path: path, Plays: s.Plays, Bytes: stat.Size(), Part: part}
			if !s.Begun.IsZero() {
				m.Begun = s.Begun.UnixNano()
			}
			made = append(made, m)
		}
	}
	if err != nil || len(kept) == 0 {
		for _, path := range []string{out.Playlist, out.LivePlaylist, header} {
			if begun[path] && len(kept) == 0 {
				_ = os.Remove(path)
			}
		}
		return nil
	}
	header = ""
	for _, s := range kept {
		keep(s.Path, wire.Segment, s)
		if s.Header != header {
			header = s.Header
			keep(header, wire.SegmentInit, playlist.Segment{})
		}
	}
	keep(out.Playlist, wire.Playlist, playlist.Segment{})
	if out.LivePlaylist != "" {
		keep(out.LivePlaylist, wire.LivePlaylist, playlist.Segment{})
	}
	return made
}

// salvageImages are those that are there: they are whole when they have their names.
func salvageImages(output int, notes []wire.Entry) (made []wire.Made) {
	for _, e := range notes {
		if e.Output != output {
			continue
		}
		if stat, err := os.Stat(e.Path); err == nil {
			made = append(made, wire.Made{Path: e.Path, Begun: e.Begun, Bytes: stat.Size(), Part: wire.Image})
		}
		_ = os.Remove(e.Path + ".next")
	}
	return made
}

func salvage(e wire.Entry) wire.Made {
	plays, err := container.Repair(e.Path)
	if err != nil {
		return wire.Made{}
	}
	stat, err := os.Stat(e.Path)
	if err != nil {
		return wire.Made{}
	}
	if plays == 0 {
		_ = os.Remove(e.Path)
		return wire.Made{}
	}
	return wire.Made{Path: e.Path, Begun: e.Begun, Plays: plays, Bytes: stat.Size(), Part: e.Part}
}

// journal is where the worker of a job notes its files.
func (s *Service) journal(id string) string {
	return filepath.Join(s.opts.Directory, ".jobs", id)
}
