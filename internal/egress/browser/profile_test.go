package browser

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/egress/worker"
	"github.com/rollcall-rtc/rollcall/internal/testkit/script"
)

// A browser's profile is beside the journal of its job, where the server finds it
// when the worker was killed.
func TestProfileIsBesideTheJournal(t *testing.T) {
	dir := t.TempDir()
	// It says which directory is there for it, and ends.
	program := script.Write(t, dir, "chromium", "for a; do case $a in --user-data-dir=*) d=${a#*=}; [ -d \"$d\" ] && echo \"$d\" >"+dir+"/said;; esac; done\n")
	job := wire.Job{Video: true, Journal: filepath.Join(dir, "EG_x"), Browser: wire.Browser{Program: program}}
	guard := func([]netip.Prefix) *net.Dialer { return new(net.Dialer) }
	r, err := New(guard, func(wire.Job, func(wire.Report)) (worker.Recorder, error) { return nothing{}, nil }, nil)(job, func(wire.Report) {})
	if err != nil {
		t.Fatal(err)
	}
	<-r.(*Browser).donec
	said, err := os.ReadFile(filepath.Join(dir, "said"))
	if want := wire.Profile(job.Journal); err != nil || string(said) != want+"\n" {
		t.Errorf("the profile is %q, want %q: %v", said, want, err)
	}
	if _, err := os.Stat(wire.Profile(job.Journal)); !os.IsNotExist(err) {
		t.Errorf("it stays: %v", err)
	}
	if err := r.Abandon(); err != nil {
		t.Error(err)
	}
}

// nothing records nothing.
type nothing struct{ worker.Recorder }

func (nothing) Track(wire.Track) error                   { return nil }
func (nothing) Frame(uint16, frames.Frame, func()) error { return nil }
func (nothing) Abandon() error                           { return nil }
func (nothing) Lacks() wire.Lacks                        { return wire.Lacks{} }
