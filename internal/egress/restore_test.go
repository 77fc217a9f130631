package egress

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// The profile of a browser whose worker was killed does not stay, nor do those of the
// last run; the journals are not touched.
func TestProfilesOfDeadWorkersGo(t *testing.T) {
	s := &Service{opts: Options{Directory: t.TempDir()}}
	for _, id := range []string{"EG_a", "EG_b", "EG_c"} {
		if err := os.MkdirAll(filepath.Join(wire.Profile(s.journal(id)), "Default"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.journal(id), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	there := func() []string {
		all, err := filepath.Glob(filepath.Join(s.opts.Directory, ".jobs", "*.profile"))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	s.forgetProfile("EG_b")
	if all := there(); len(all) != 2 || filepath.Base(all[0]) != "EG_a.profile" || filepath.Base(all[1]) != "EG_c.profile" {
		t.Errorf("left after one was removed: %q", all)
	}
	s.forgetProfiles()
	if all := there(); len(all) != 0 {
		t.Errorf("left after a start: %q", all)
	}
	if _, err := os.Stat(s.journal("EG_b")); err != nil {
		t.Error(err)
	}
}
