package egress

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// manifest is the description that lies beside what was recorded.
type manifest struct {
	EgressID          string `json:"egress_id"`
	RoomID            string `json:"room_id,omitempty"`
	RoomName          string `json:"room_name,omitempty"`
	URL               string `json:"url,omitempty"`
	StartedAt         int64  `json:"started_at"` // Unix nanoseconds, as the next
	EndedAt           int64  `json:"ended_at"`
	PublisherIdentity string `json:"publisher_identity,omitempty"`
	TrackID           string `json:"track_id,omitempty"`
	TrackKind         string `json:"track_kind,omitempty"`
	TrackSource       string `json:"track_source,omitempty"`
	AudioTrackID      string `json:"audio_track_id,omitempty"`
	VideoTrackID      string `json:"video_track_id,omitempty"`
	// MissingMs is how much of what was published is not there, SilenceMs how much of
	// the sound is silence because nothing was published.
	MissingMs int64 `json:"missing_ms,omitempty"`
	SilenceMs int64 `json:"silence_ms,omitempty"`
	// DroppedPictures are those that the machine was too slow to encode; MissingMs has how
	// long others are seen in their place.
	DroppedPictures int64  `json:"dropped_pictures,omitempty"`
	Files           []file `json:"files,omitempty"`
	Playlists       []list `json:"playlists,omitempty"`
	Images          []file `json:"images,omitempty"`
}

type file struct {
	Filename string `json:"filename"`
	Location string `json:"location"`
}

type list struct {
	Location string `json:"location"`
	Segments []file `json:"segments"`
}

// writeManifest writes the manifest; Service.mu must be held. Without one the
// recording is as good.
func (j *job) writeManifest(made [][]wire.Made, last wire.Report) {
	m := manifest{
		EgressID: j.id, RoomID: j.info.RoomId, RoomName: j.info.RoomName, StartedAt: j.info.StartedAt, EndedAt: j.info.EndedAt,
		MissingMs: last.Missing.Milliseconds(), SilenceMs: last.Filled.Milliseconds(), DroppedPictures: last.Dropped,
	}
	if len(j.info.FileResults) > 0 {
		m.StartedAt = j.info.FileResults[0].StartedAt
		m.EndedAt = j.info.FileResults[len(j.info.FileResults)-1].EndedAt
	}
	if j.tracks != nil {
		j.tracks.describe(&m)
	}
	directory := ""
	for i, files := range made {
		var open *list
		for _, f := range files {
			directory = filepath.Dir(f.Path)
			one := file{filepath.Base(f.Path), f.Path}
			switch {
			case f.Part == wire.Playlist:
				m.Playlists = append(m.Playlists, list{Location: f.Path, Segments: []file{}})
				open = &m.Playlists[len(m.Playlists)-1]
			case f.Part == wire.Image:
				m.Images = append(m.Images, one)
			case j.outputs[i].Kind == wire.File:
				m.Files = append(m.Files, one)
			}
		}
		for _, f := range files {
			if open != nil && f.Part == wire.Segment {
				open.Segments = append(open.Segments, file{filepath.Base(f.Path), f.Path})
			}
		}
	}
	path := filepath.Join(directory, j.id+".json")
	if err := os.WriteFile(path, m.encode(), 0o644); err != nil {
		j.s.opts.Logger.Warn("write the manifest of a recording", "egress", j.id, "error", err)
		return
	}
	j.change(func(info *livekit.EgressInfo) { info.ManifestLocation = path })
}

// moved is a manifest of files that are elsewhere by now.
func moved(raw []byte, at map[string]string) ([]byte, error) {
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	move := func(location *string) {
		if there, ok := at[*location]; ok {
			*location = there
		}
	}
	for _, files := range [][]file{m.Files, m.Images} {
		for i := range files {
			move(&files[i].Location)
		}
	}
	for i := range m.Playlists {
		move(&m.Playlists[i].Location)
		for n := range m.Playlists[i].Segments {
			move(&m.Playlists[i].Segments[n].Location)
		}
	}
	return m.encode(), nil
}

func (m *manifest) encode() []byte {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic("BUG: encode manifest: " + err.Error())
	}
	return append(raw, '\n')
}

// describe names what was recorded in a manifest.
func (t *tracks) describe(m *manifest) {
	if t.src.Kind == request.Participant || t.src.Kind == request.Media {
		m.PublisherIdentity = t.src.Identity
	}
	if t.src.Kind != request.Tracks || t.named == nil {
		return
	}
	m.PublisherIdentity = t.named.who.Identity
	if t.src.Direct {
		m.TrackID, m.TrackKind, m.TrackSource = t.named.track.Sid, t.named.track.Type.String(), t.named.track.Source.String()
		return
	}
	m.AudioTrackID, m.VideoTrackID = t.src.AudioTrack, t.src.VideoTrack
}
