package egress

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// maxPath bounds a path in a request, in bytes.
const maxPath = 1024

// place is what names of files are made of: what is recorded, and when. All but now
// may be missing.
type place struct {
	room  *livekit.Room
	who   *livekit.ParticipantInfo
	track *livekit.TrackInfo
	// alone says that nothing but the track is recorded.
	alone bool
	now   time.Time
}

// fill puts in what stands in braces. What comes from clients is one element of a
// path each.
func (p place) fill(asked string) string {
	now := p.now.UTC()
	source := strings.ToLower(p.track.GetSource().String())
	kind := strings.ToLower(p.track.GetType().String())
	if p.track == nil {
		source, kind = "", ""
	}
	return strings.NewReplacer(
		"{room_name}", element(p.room.GetName()), "{room_id}", p.room.GetSid(),
		"{publisher_identity}", element(p.who.GetIdentity()), "{track_id}", p.track.GetSid(),
		"{track_type}", kind, "{track_source}", source,
		"{time}", now.Format("2006-01-02T150405"),
		"{utc}", wire.Stamp(now),
	).Replace(asked)
}

// missing is the name of a file of which nothing is said, or only the directory.
func (p place) missing(directory string) string {
	switch {
	case p.room == nil:
		return "web-{time}"
	case !p.alone:
		return "{room_name}-{time}"
	case directory == "":
		return "{room_name}-{track_id}-{time}"
	}
	return "{track_id}-{time}"
}

// known are extensions that are not part of a name.
var known = []string{".ogg", ".webm", ".mp4", ".mp3", ".m4a", ".ts", ".m3u8", ".m4s", ".jpg", ".jpeg"}

// fileName makes the name of a file of what a request asks for in that field:
// below the directory, slash-separated, with ext in place of another that is known.
// An empty one is that of the room and the time, and so is what is missing after a
// slash at the end.
func fileName(field, asked string, p place, ext string) (string, error) {
	if len(asked) > maxPath || strings.ContainsRune(asked, 0) {
		return "", refuse(InvalidArgument, "%s is longer than %d bytes, or has a zero in it", field, maxPath)
	}
	if asked == "" || strings.HasSuffix(asked, "/") {
		asked += p.missing(asked)
	}
	// Cleaned as an absolute path it cannot leave the directory.
	name := strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(p.fill(asked), `\`, "_")), "/")
	if slices.Contains(known, strings.ToLower(path.Ext(name))) {
		name = strings.TrimSuffix(name, path.Ext(name))
	}
	if name == "" || path.Base(name) == "" {
		return "", refuse(InvalidArgument, "%s %.64q names no file", field, asked)
	}
	name += ext
	for _, part := range strings.Split(name, "/") {
		if len(part) > 255 {
			return "", refuse(InvalidArgument, "%s has an element longer than 255 bytes: %.64q…", field, part)
		}
	}
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", refuse(InvalidArgument, "%s %.64q leaves the directory of recordings", field, asked)
	}
	return name, nil
}

// segmentNames makes the names of what a stream in segments consists of: what the
// names of segments begin with, the list, and the live list, "" unless it is asked
// for. They are in one directory.
func segmentNames(o *livekit.SegmentedFileOutput, p place) (prefix, list, live string, err error) {
	if prefix, err = fileName("filename_prefix", o.FilenamePrefix, p, ""); err != nil {
		return
	}
	in := func(field, asked, other string) (string, error) {
		if asked == "" {
			return other, nil
		}
		name, err := fileName(field, asked, p, ".m3u8")
		if err != nil {
			return "", err
		}
		switch dir := path.Dir(name); {
		case dir == ".":
			name = path.Join(path.Dir(prefix), name)
		case path.Dir(prefix) == ".":
			prefix = path.Join(dir, prefix)
		case dir != path.Dir(prefix):
			return "", refuse(InvalidArgument, "%s is in another directory than filename_prefix", field)
		}
		return name, nil
	}
	if list, err = in("playlist_name", o.PlaylistName, ""); err != nil {
		return
	}
	if live, err = in("live_playlist_name", o.LivePlaylistName, ""); err != nil {
		return
	}
	if list == "" {
		list = prefix + ".m3u8"
	}
	if live == list {
		err = refuse(InvalidArgument, "live_playlist_name is that of the playlist")
	}
	return
}

// element makes a name of a client's one element of a path.
func element(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	if name == "." || name == ".." {
		return strings.ReplaceAll(name, ".", "_")
	}
	return name
}

// freeName is the name, or the same with a number before that extension, of which
// there is no file yet.
func freeName(name, ext string, taken func(string) bool) string {
	free := name
	for n := 2; taken(free); n++ {
		free = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
	}
	return free
}
