package playlist

import (
	"strings"
	"testing"
	"time"
)

func TestListEndsBeforeWhatIsNotThere(t *testing.T) {
	parts := []string{
		"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:4.000,\na.m4s\n",
		"#EXT-X-PROGRAM-DATE-TIME:x\n#EXTINF:4.000,\nb.m4s\n",
		"#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"j.mp4\"\n#EXTINF:4.000,\nc.m4s\n",
		"#EXT-X-ENDLIST\n",
	}
	whole := strings.Join(parts, "")
	for there, want := range map[string]int{
		"":                              0,
		"a.m4s":                         0, // not its header
		"i.mp4":                         0,
		"i.mp4 a.m4s":                   1,
		"i.mp4 a.m4s c.m4s j.mp4":       1, // what is missing in between is not jumped over
		"i.mp4 a.m4s b.m4s":             2,
		"i.mp4 a.m4s b.m4s c.m4s":       2,
		"i.mp4 a.m4s b.m4s j.mp4":       2,
		"i.mp4 a.m4s b.m4s c j.mp4":     2,
		"i.mp4 a.m4s b.m4s c.m4s j.mp4": 4,
	} {
		names := strings.Fields(there)
		got := string(Upto([]byte(whole), func(name string) bool {
			for _, n := range names {
				if n == name {
					return true
				}
			}
			return false
		}))
		if exp := strings.Join(parts[:want], ""); got != exp {
			t.Errorf("with %q: %q, want %q", there, got, exp)
		}
	}
	if got := Upto([]byte("#EXTM3U\n#EXTINF:1,\na.ts\n#EXTINF:1,\nb.t"), func(string) bool { return true }); string(got) != "#EXTM3U\n#EXTINF:1,\na.ts\n" {
		t.Errorf("of a line that is being written: %q", got)
	}
}

// Lists as they are written are understood.
func TestListsOfTheWriterAreCut(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir+"/l.m3u8", "", Promise{Longest: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.m4s", "b.m4s"} {
		if err := w.Add(Segment{Path: dir + "/" + name, Header: dir + "/h.mp4", Plays: time.Second, Begun: time.Unix(1, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	raw := read(t, dir+"/l.m3u8")
	all := func(string) bool { return true }
	if got := Upto([]byte(raw), all); string(got) != raw {
		t.Errorf("of the whole %q, want %q", got, raw)
	}
	got := string(Upto([]byte(raw), func(name string) bool { return name != "b.m4s" }))
	if !strings.HasSuffix(got, "\na.m4s\n") || !strings.HasPrefix(raw, got) {
		t.Errorf("without the last %q", got)
	}
}
