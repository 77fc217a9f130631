package egress

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

func placeOf(roomName, identity string) place {
	return place{
		room:  &livekit.Room{Name: roomName, Sid: "RM_1"},
		who:   &livekit.ParticipantInfo{Identity: identity},
		track: &livekit.TrackInfo{Sid: "TR_1", Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_SCREEN_SHARE},
		alone: true, now: noon,
	}
}

var noon = time.Date(2026, 5, 4, 12, 0, 1, 7e6, time.UTC)

func TestNamesOfFiles(t *testing.T) {
	for asked, want := range map[string]string{
		"":                         "den-TR_1-2026-05-04T120001.webm",
		"calls/":                   "calls/TR_1-2026-05-04T120001.webm",
		"a":                        "a.webm",
		"a.webm":                   "a.webm",
		"a.WEBM":                   "a.webm",
		"a.mp4":                    "a.webm", // a format that VP8 is never in
		"v1.2":                     "v1.2.webm",
		"/abs/olute":               "abs/olute.webm",
		"../../etc/passwd":         "etc/passwd.webm",
		"a/../../b":                "b.webm",
		`..\..\b`:                  ".._.._b.webm",
		"{room_id}/{utc}":          "RM_1/20260504120001007.webm",
		"{track_type}":             "video.webm",
		"{track_source}":           "screen_share.webm",
		"{publisher_identity}/{x}": "ana/{x}.webm",
	} {
		got, err := fileName("filepath", asked, placeOf("den", "ana"), ".webm")
		if got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", asked, got, err, want)
		}
	}
	for _, asked := range []string{"a\x00b", strings.Repeat("a", maxPath+1), strings.Repeat("b", 300)} {
		_, err := fileName("filepath", asked, placeOf("den", "ana"), ".webm")
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != InvalidArgument {
			t.Errorf("%.20q: %v", asked, err)
		}
	}
}

func TestNamesOfClientsAreOneElementEach(t *testing.T) {
	for identity, want := range map[string]string{
		"../../x": ".._.._x.webm", "..": "__.webm", "a/b": "a_b.webm", "a\nb": "a_b.webm", "Zoë": "Zoë.webm",
	} {
		got, err := fileName("filepath", "{publisher_identity}", placeOf("den", identity), ".webm")
		if got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", identity, got, err, want)
		}
	}
}

func TestFilesAreNotReplaced(t *testing.T) {
	there := map[string]bool{"a/b.ogg": true, "a/b-2.ogg": true}
	if got := freeName("a/b.ogg", ".ogg", func(name string) bool { return there[name] }); got != "a/b-3.ogg" {
		t.Error(got)
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("{room_name}/../{publisher_identity}", "..", "../..")
	f.Add("/", ".", "\x00")
	f.Fuzz(func(t *testing.T, asked, roomName, identity string) {
		name, err := fileName("filepath", asked, placeOf(roomName, identity), ".ogg")
		if err != nil {
			return
		}
		full := filepath.Join("/recordings", filepath.FromSlash(name))
		if !strings.HasPrefix(full, "/recordings/") || !strings.HasSuffix(full, ".ogg") {
			t.Fatalf("%q makes %q", asked, full)
		}
	})
}

func TestNamesOfSegmentsAreInOneDirectory(t *testing.T) {
	for _, c := range []struct {
		prefix, list, live string
		want               [3]string
		wrong              bool
	}{
		{want: [3]string{"den-TR_1-2026-05-04T120001", "den-TR_1-2026-05-04T120001.m3u8", ""}},
		{prefix: "hls/a", want: [3]string{"hls/a", "hls/a.m3u8", ""}},
		{prefix: "a", list: "hls/list", live: "live.m3u8", want: [3]string{"hls/a", "hls/list.m3u8", "hls/live.m3u8"}},
		{prefix: "hls/a", list: "other/list", wrong: true},
		{prefix: "hls/a", list: "b", live: "b.m3u8", wrong: true},
	} {
		p, list, live, err := segmentNames(&livekit.SegmentedFileOutput{FilenamePrefix: c.prefix, PlaylistName: c.list, LivePlaylistName: c.live}, placeOf("den", "ana"))
		if c.wrong != (err != nil) || !c.wrong && [3]string{p, list, live} != c.want {
			t.Errorf("%+v: %s %s %s %v", c, p, list, live, err)
		}
	}
}
