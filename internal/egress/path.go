package egress

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// maxPath bounds a path in a request, in bytes.
const maxPath = 1024

// fileName makes the name of a file of what a request asks for: below the
// directory, slash-separated, with the format's extension. An empty one is that of
// the room and the time, and so is what is missing after a slash at the end.
func fileName(asked string, tap *room.Tap, now time.Time, format container.Format) (string, error) {
	if len(asked) > maxPath || strings.ContainsRune(asked, 0) {
		return "", refuse(InvalidArgument, "filepath is longer than %d bytes, or has a zero in it", maxPath)
	}
	if asked == "" || strings.HasSuffix(asked, "/") {
		asked += "{track_id}-{time}"
		if !strings.Contains(asked, "/") {
			asked = "{room_name}-" + asked
		}
	}
	now = now.UTC()
	source := strings.ToLower(tap.Track.Source.String())
	kind := strings.ToLower(tap.Track.Type.String())
	// What comes from clients is one element of a path each.
	name := strings.NewReplacer(
		"{room_name}", element(tap.Room.Name), "{room_id}", tap.Room.Sid,
		"{publisher_identity}", element(tap.Participant.Identity), "{track_id}", tap.Track.Sid,
		"{track_type}", kind, "{track_source}", source,
		"{time}", now.Format("2006-01-02T150405"),
		"{utc}", now.Format("20060102150405")+fmt.Sprintf("%03d", now.Nanosecond()/int(time.Millisecond)),
	).Replace(asked)
	// Cleaned as an absolute path it cannot leave the directory.
	name = strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(name, `\`, "_")), "/")
	if name == "" {
		return "", refuse(InvalidArgument, "filepath %.64q names no file", asked)
	}
	switch ext := container.Format(strings.ToLower(path.Ext(name))); ext {
	case format:
		name = strings.TrimSuffix(name, path.Ext(name))
	case container.Ogg, container.WebM, container.MP4, ".mp3", ".m4a", ".ts":
		name = strings.TrimSuffix(name, path.Ext(name)) // a format that the track cannot be in
	}
	name += string(format)
	for _, part := range strings.Split(name, "/") {
		if len(part) > 255 {
			return "", refuse(InvalidArgument, "filepath has an element longer than 255 bytes: %.64q…", part)
		}
	}
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", refuse(InvalidArgument, "filepath %.64q leaves the directory of recordings", asked)
	}
	return name, nil
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

// freeName is the name, or the same with a number, of which there is no file yet.
func freeName(name string, taken func(string) bool) string {
	ext := path.Ext(name)
	free := name
	for n := 2; taken(free); n++ {
		free = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
	}
	return free
}
