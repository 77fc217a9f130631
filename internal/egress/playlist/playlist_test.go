package playlist

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func segment(dir, name, header string, n int) Segment {
	return Segment{Path: filepath.Join(dir, name), Header: filepath.Join(dir, header), Begun: noon.Add(time.Duration(n) * 4 * time.Second), Plays: 4 * time.Second}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestListsNameWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	path, live := filepath.Join(dir, "a.m3u8"), filepath.Join(dir, "live.m3u8")
	w, err := Create(path, live, Promise{Longest: 5500 * time.Millisecond, Independent: true})
	if err != nil {
		t.Fatal(err)
	}
	for n, name := range []string{"a_0.m4s", "a_1.m4s", "a_2.m4s", "a_3.m4s", "a_4.m4s", "a_5.m4s"} {
		header := "a_init.mp4"
		if n == 5 {
			header = "a_init-2.mp4"
		}
		if err := w.Add(segment(dir, name, header, n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Create(path, "", Promise{Longest: time.Second}); err == nil {
		t.Error("a list that is there was replaced")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	all := read(t, path)
	if want := `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-PLAYLIST-TYPE:EVENT
#EXT-X-TARGETDURATION:6
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="a_init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-05-04T12:00:00.000Z
#EXTINF:4.000,
a_0.m4s
`; !strings.HasPrefix(all, want) {
		t.Errorf("%s", all)
	}
	if !strings.HasSuffix(all, "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"a_init-2.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-05-04T12:00:20.000Z\n#EXTINF:4.000,\na_5.m4s\n#EXT-X-ENDLIST\n") {
		t.Errorf("%s", all)
	}
	last := read(t, live)
	if strings.Contains(last, "a_0.m4s") || !strings.Contains(last, "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"a_init.mp4\"\n") || strings.Contains(last, "EVENT") || !strings.HasSuffix(last, end) {
		t.Errorf("%s", last)
	}
}

// Wherever its writer dies, the list that is finished names each segment once.
func TestListCutAnywhereIsFinished(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.m3u8")
	w, err := Create(path, "", Promise{Longest: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var all []Segment
	for n, name := range []string{"a_0.m4s", "a_1.m4s", "a_2.m4s"} {
		all = append(all, segment(dir, name, "a_init.mp4", n))
		if err := w.Add(all[n]); err != nil {
			t.Fatal(err)
		}
	}
	_ = w.Close()
	whole := read(t, path)
	top := strings.Index(whole, "#EXT-X-MAP")
	for cut := top; cut <= len(whole); cut++ {
		if err := os.WriteFile(path, []byte(whole[:cut]), 0o644); err != nil {
			t.Fatal(err)
		}
		kept, err := Finish(path, "", all, func(Segment) time.Duration { return 4 * time.Second })
		if err != nil || len(kept) != 3 {
			t.Fatalf("cut at %d: %v %v", cut, kept, err)
		}
		got := read(t, path)
		for _, s := range all {
			if strings.Count(got, filepath.Base(s.Path)+"\n") != 1 {
				t.Fatalf("cut at %d:\n%s", cut, got)
			}
		}
		if strings.Count(got, "EXT-X-MAP") != 1 || strings.Count(got, "EXTINF") < 3 || !strings.HasSuffix(got, end) || strings.Count(got, end) != 1 {
			t.Fatalf("cut at %d:\n%s", cut, got)
		}
	}
	// What has nothing in it is left out.
	if err := os.WriteFile(path, []byte(whole[:top]), 0o644); err != nil {
		t.Fatal(err)
	}
	kept, err := Finish(path, filepath.Join(dir, "live.m3u8"), all, func(s Segment) time.Duration {
		if s.Path == all[2].Path {
			return 0
		}
		return time.Second
	})
	if err != nil || len(kept) != 2 || strings.Contains(read(t, path), "a_2.m4s") || read(t, filepath.Join(dir, "live.m3u8")) != read(t, path) {
		t.Errorf("%v %v\n%s", kept, err, read(t, path))
	}
}
