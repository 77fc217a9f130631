package egress

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// laid is an output as it is laid out for a job, by its names below the directory.
func laid(t *testing.T, s *Service, o request.Output) (prefix, list, live string) {
	t.Helper()
	j := &job{s: s, kind: wire.Encode, info: new(livekit.EgressInfo)}
	if err := s.lay(j, &request.Request{Outputs: []request.Output{o}}, placeOf("den", "ana"), nil); err != nil {
		t.Fatal(err)
	}
	below := func(path string) string {
		if path == "" {
			return ""
		}
		name, err := filepath.Rel(s.opts.Directory, path)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	out := j.outputs[0]
	return below(out.Path), below(out.Playlist), below(out.LivePlaylist)
}

func laying(t *testing.T) (*Service, func(names ...string)) {
	s := &Service{opts: Options{Directory: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}, paths: make(map[string]bool)}
	return s, func(names ...string) {
		t.Helper()
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(s.opts.Directory, name), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A recording in segments, while another of the same names runs and after it, has
// names of its own for everything.
func TestSegmentsOfTwoRecordingsAreApart(t *testing.T) {
	for _, protocol := range []livekit.SegmentedFileProtocol{livekit.SegmentedFileProtocol_DEFAULT_SEGMENTED_FILE_PROTOCOL, livekit.SegmentedFileProtocol_HLS_PROTOCOL} {
		for _, made := range []string{"a_00000.ts", "a_20260504120001007.ts", "a_00007.m4s", "a_init.mp4"} {
			s, create := laying(t)
			o := request.Output{Segments: &livekit.SegmentedFileOutput{FilenamePrefix: "a", PlaylistName: "list", LivePlaylistName: "live", Protocol: protocol}}
			want := func(n string) {
				t.Helper()
				prefix, list, live := laid(t, s, o)
				if prefix != "a"+n || list != "list"+n+".m3u8" || live != "live"+n+".m3u8" {
					t.Errorf("beside %s: %s, %s and %s, want %q added to each", made, prefix, list, live, n)
				}
			}
			create("a_b_00000.ts", "a_00000.jpeg", "a.ts", "a_x1.ts", "a1.ts") // of others
			want("")
			want("-2") // the first runs
			clear(s.paths)
			create(made, "list.m3u8", "live.m3u8")
			want("-2") // it has ended
		}
	}
}

// Images replace none of an earlier recording, but for those that are to be replaced.
func TestImagesOfTwoRecordingsAreApart(t *testing.T) {
	for suffix, made := range map[livekit.ImageFileSuffix]string{
		livekit.ImageFileSuffix_IMAGE_SUFFIX_INDEX:          "a_00000.jpeg",
		livekit.ImageFileSuffix_IMAGE_SUFFIX_TIMESTAMP:      "a_20260504120001007.jpeg",
		livekit.ImageFileSuffix_IMAGE_SUFFIX_NONE_OVERWRITE: "a.jpeg",
	} {
		s, create := laying(t)
		o := request.Output{Images: &livekit.ImageOutput{FilenamePrefix: "a", FilenameSuffix: suffix}}
		names := ""
		for range 2 {
			prefix, _, _ := laid(t, s, o)
			names += prefix + " "
		}
		clear(s.paths)
		create(made)
		prefix, _, _ := laid(t, s, o)
		names += prefix
		want := "a a-2 a-2"
		if suffix == livekit.ImageFileSuffix_IMAGE_SUFFIX_NONE_OVERWRITE {
			want = "a a-2 a"
		}
		if names != want {
			t.Errorf("%v: %s, want %s", suffix, names, want)
		}
	}
}

// What a job of no media is left by is its own: files that it found stay.
func TestSalvageRemovesOnlyWhatTheJobMade(t *testing.T) {
	s, create := laying(t)
	path := func(name string) string { return filepath.Join(s.opts.Directory, name) }
	if err := os.Mkdir(filepath.Dir(s.journal("EG_x")), 0o700); err != nil {
		t.Fatal(err)
	}
	create("a_00000.ts", "live.m3u8")
	for i, name := range []string{"list.m3u8", "a_00000.ts"} {
		part := []wire.MadeAs{wire.Playlist, wire.Segment}[i]
		if err := wire.NoteNew(s.journal("EG_x"), wire.Entry{Path: path(name), Part: part}); (err == nil) != (i == 0) {
			t.Errorf("note %s: %v", name, err)
		}
	}
	create("list.m3u8")
	made := s.salvage("EG_x", []wire.Output{{Kind: wire.Segments, TS: true, Path: path("a"), Playlist: path("list.m3u8"), LivePlaylist: path("live.m3u8")}})
	if !nothing(made) {
		t.Errorf("made: %+v", made)
	}
	left := ""
	for _, name := range []string{"a_00000.ts", "live.m3u8", "list.m3u8"} {
		left += fmt.Sprint(name, " ", isThere(path(name)), ", ")
	}
	if left != "a_00000.ts true, live.m3u8 true, list.m3u8 false, " {
		t.Errorf("left: %s", left)
	}
}

// What the server cannot write is not the caller's mistake; a file in the way is.
func TestWhoseFaultItIsThatADirectoryCannotBeMade(t *testing.T) {
	s, create := laying(t)
	create("a")
	for _, tc := range []struct {
		directory string
		want      Code
	}{
		{s.opts.Directory, InvalidArgument},
		{filepath.Join(s.opts.Directory, "a"), Internal}, // no directory
	} {
		s.opts.Directory = tc.directory
		_, err := s.reserve(&job{s: s}, "a/b.mp4", ".mp4", isThere)
		if refusal, ok := errors.AsType[*Error](err); !ok || refusal.Code != tc.want {
			t.Errorf("below %s: %v, want %s", tc.directory, err, tc.want)
		}
	}
}
