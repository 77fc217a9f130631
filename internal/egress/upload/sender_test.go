package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
)

// store takes what it is sent, unless it is down.
type store struct {
	until   time.Time // it does not answer before
	refuses atomic.Bool
	hangs   bool
	takes   time.Duration // for each file
	tries   atomic.Int64
	mu      sync.Mutex
	once    bool   // it takes each name once
	dislike string // a name that it does not take
	has     map[string]string
	tried   map[string]int // times, by name
}

func (s *store) Upload(ctx context.Context, o storage.Object) error {
	s.tries.Add(1)
	s.mu.Lock()
	s.tried[o.Name]++
	_, there := s.has[o.Name]
	refused, disliked := s.once && there, s.dislike == o.Name
	s.mu.Unlock()
	switch {
	case refused:
		return fmt.Errorf("%w: status 403", storage.ErrRefused)
	case disliked:
		return errors.New("connection reset")
	case s.hangs:
		<-ctx.Done()
		return ctx.Err()
	case s.refuses.Load():
		return fmt.Errorf("%w: status 403", storage.ErrRefused)
	case time.Now().Before(s.until):
		o.Save("half")
		return errors.New("connection refused")
	}
	if err := slowly(ctx, s.takes, o); err != nil {
		return err
	}
	raw, err := io.ReadAll(io.NewSectionReader(o.Body, 0, o.Size))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.has[o.Name] = string(raw) + "/" + o.State
	return nil
}

// got is what there is of a name, while more may come.
func (s *store) got(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.has[name]
}

// triesOf is how often a name was tried.
func (s *store) triesOf(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried[name]
}

// now changes what a store takes.
func (s *store) now(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func newStore() *store { return &store{has: make(map[string]string), tried: make(map[string]int)} }

// desk sends one parcel, and remembers what it was told.
type desk struct {
	t             *testing.T
	main, reserve *store
	dir           string
	parcel        Parcel
	kept          string   // as saved last
	states        []string // as saved
	settled       []Parcel
	at            []time.Time
	shown         []string // where what is followed was said to be
	manifest      bool
	slots         chan struct{} // nil: own ones
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, dir: t.TempDir(), main: newStore(), reserve: newStore()}
	d.parcel.Targets = []storage.Target{{S3: &storage.S3{Bucket: "main"}}}
	return d
}

func (d *desk) withBackup() *desk {
	d.parcel.Backup = &storage.Target{S3: &storage.S3{Bucket: "reserve"}}
	return d
}

func (d *desk) file(name string) File {
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return File{Path: path, Name: name}
}

func (d *desk) start() *Sender {
	if d.slots == nil {
		d.slots = make(chan struct{}, 2)
	}
	return Start(d.parcel, Options{
		Open: func(t storage.Target) (storage.Store, error) {
			if t.S3.Bucket == "reserve" {
				return d.reserve, nil
			}
			return d.main, nil
		},
		Save: func(p Parcel) int {
			raw, err := json.Marshal(p)
			if err != nil {
				d.t.Error(err)
			}
			d.kept = string(raw)
			d.states = append(d.states, d.kept)
			return len(raw)
		},
		Conclude: func(p Parcel) []File {
			if !d.manifest {
				return nil
			}
			var at []string
			for i := range p.Files {
				at = append(at, p.Location(&p.Files[i]))
			}
			f := d.file("manifest.json")
			if err := os.WriteFile(f.Path, []byte(strings.Join(at, " ")), 0o600); err != nil {
				d.t.Error(err)
			}
			return []File{f}
		},
		Content: soFar,
		Shown:   func(_ File, location string) { d.shown = append(d.shown, location) },
		Settled: func(p Parcel) {
			d.settled = append(d.settled, p)
			d.at = append(d.at, time.Now())
		},
		Patience: time.Minute, Slots: d.slots, Logger: slog.New(slog.DiscardHandler),
	})
}

// restart is a start with what was saved last.
func (d *desk) restart() *Sender {
	d.parcel = Parcel{}
	if err := json.Unmarshal([]byte(d.kept), &d.parcel); err != nil {
		d.t.Fatal(err)
	}
	return d.start()
}

func (d *desk) wantOnce(after time.Duration, since time.Time, locations ...string) {
	d.t.Helper()
	d.wantWithin(after, lastWord, since, locations...)
}

// wantAfterOutage is wantOnce for a store that is asked again when it is there, later by
// the pause at most that has begun before.
func (d *desk) wantAfterOutage(outage time.Duration, since time.Time, locations ...string) {
	d.t.Helper()
	pause, began := firstPause, time.Duration(0)
	for began += pause / 2; began < outage; began += pause / 2 {
		pause *= 2
	}
	d.wantWithin(outage, pause, since, locations...)
}

func (d *desk) wantWithin(after, late time.Duration, since time.Time, locations ...string) {
	d.t.Helper()
	if len(d.settled) != 1 {
		d.t.Fatalf("the end is told %d times", len(d.settled))
	}
	if took := d.at[0].Sub(since); took < after || took > after+late+time.Second {
		d.t.Errorf("the end is told after %v, want %v", took, after)
	}
	p := d.settled[0]
	for i := range p.Files {
		if got := p.Location(&p.Files[i]); i >= len(locations) || got != locations[i] {
			d.t.Errorf("file %d is at %s, want it at %v", i, got, locations)
		}
	}
}

func (d *desk) wantHere(names ...string) {
	d.t.Helper()
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(d.dir, name)); err != nil {
			d.t.Errorf("a file is deleted: %v", err)
		}
	}
}

func TestEndIsToldWhenAllIsInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.manifest = true
		began := time.Now()
		s := d.start()
		s.Add(d.file("1.ts"))
		synctest.Wait()
		if d.main.has["1.ts"] == "" {
			t.Error("a file is not sent before the end")
		}
		s.Add(d.file("2.ts"), d.file("list.m3u8"))
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(d.settled) != 0 {
			t.Fatal("the end is told before there is one")
		}
		s.Finish()
		<-s.Done()
		at := "https://main.s3.amazonaws.com/"
		d.wantOnce(time.Hour, began, at+"1.ts", at+"2.ts", at+"list.m3u8", at+"manifest.json")
		if want := at + "1.ts " + at + "2.ts " + at + "list.m3u8/"; d.main.has["manifest.json"] != want {
			t.Errorf("the manifest says %q, want %q", d.main.has["manifest.json"], want)
		}
		d.wantHere("1.ts", "2.ts", "list.m3u8", "manifest.json")
	})
}

func TestShortOutageDelaysTheEndAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t).withBackup()
		began := time.Now()
		d.main.until = began.Add(20 * time.Second)
		s := d.start()
		s.Add(d.file("a.mp4"))
		s.Finish()
		<-s.Done()
		d.wantAfterOutage(20*time.Second, began, "https://main.s3.amazonaws.com/a.mp4")
		if d.main.has["a.mp4"] != "a.mp4/half" {
			t.Errorf("it did not go on where it was: %q", d.main.has["a.mp4"])
		}
		if len(d.reserve.has) != 0 {
			t.Error("the backup was used")
		}
	})
}

func TestOutageOfADayLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.manifest = true
		began := time.Now()
		d.main.until = began.Add(24 * time.Hour)
		s := d.start()
		s.Add(d.file("a.mp4"))
		s.Finish()
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		d.wantOnce(time.Minute, began, filepath.Join(d.dir, "a.mp4"), filepath.Join(d.dir, "manifest.json"))
		// The server is started again in between, and again.
		for range 2 {
			s.Close()
			s = d.restart()
			time.Sleep(3 * time.Hour)
			synctest.Wait()
		}
		if tries := d.main.tries.Load(); tries > 16*3600/150+50 {
			t.Errorf("a store that is down is asked %d times", tries)
		}
		<-s.Done()
		if late := time.Since(d.main.until); late > longestPause+time.Second {
			t.Errorf("it is sent %v after the store is back", late)
		}
		if len(d.settled) != 1 {
			t.Errorf("the end is told %d times", len(d.settled))
		}
		if d.main.has["a.mp4"] != "a.mp4/half" || d.main.has["manifest.json"] == "" {
			t.Errorf("the store has %v", d.main.has)
		}
		d.wantHere("a.mp4", "manifest.json")
	})
}

func TestBackupIsUsedWhenPatienceEnds(t *testing.T) {
	for _, how := range []string{"down", "hangs"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t).withBackup()
				d.manifest = true
				began := time.Now()
				d.main.until, d.main.hangs = began.Add(24*time.Hour), how == "hangs"
				s := d.start()
				s.Add(d.file("a.mp4"))
				s.Finish()
				<-s.Done()
				at := "https://reserve.s3.amazonaws.com/"
				d.wantOnce(time.Minute, began, at+"a.mp4", at+"manifest.json")
				if f := d.settled[0].OutOfPlace(); f == nil || f.Where != InBackup || f.Problem == "" || f.Refused {
					t.Errorf("it does not say that the backup was used: %+v", f)
				}
			})
		})
	}
}

func TestStoreThatRefusesDoesNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.main.refuses.Store(true)
		began := time.Now()
		s := d.start()
		s.Add(d.file("a.mp4"))
		time.Sleep(time.Second)
		s.Finish()
		synctest.Wait()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if len(d.settled) != 1 || d.at[0].Sub(began) > 3*time.Second {
			t.Fatalf("told %d times, at %v", len(d.settled), d.at)
		}
		if f := d.settled[0].OutOfPlace(); f == nil || !f.Refused || !strings.Contains(f.Problem, "403") {
			t.Errorf("it does not say why: %+v", f)
		}
		// Somebody sees to the rights of the keys.
		d.main.refuses.Store(false)
		<-s.Done()
		if d.main.has["a.mp4"] == "" {
			t.Error("it is not sent when the store takes it")
		}
	})
}

func TestBothStoresDownNameTheFileHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t).withBackup()
		began := time.Now()
		d.main.until, d.reserve.until = began.Add(9*time.Hour), began.Add(2*time.Hour)
		s := d.start()
		s.Add(d.file("a.mp4"))
		s.Finish()
		<-s.Done()
		d.wantOnce(time.Minute, began, filepath.Join(d.dir, "a.mp4"))
		if d.reserve.has["a.mp4"] == "" || time.Since(began) > 2*time.Hour+longestPause+time.Second {
			t.Errorf("the store that came back first has %v, after %v", d.reserve.has, time.Since(began))
		}
	})
}

func TestTargetThatIsDownHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		began := time.Now()
		d.main.until = began.Add(2 * time.Hour)
		d.parcel.Targets = append(d.parcel.Targets, storage.Target{S3: &storage.S3{Bucket: "reserve"}})
		s := d.start()
		other := d.file("b.ts")
		other.To = 1
		s.Add(d.file("a.mp4"), other)
		s.Finish()
		time.Sleep(time.Hour)
		synctest.Wait()
		d.wantOnce(time.Minute, began, filepath.Join(d.dir, "a.mp4"), "https://reserve.s3.amazonaws.com/b.ts")
		<-s.Done()
		if d.main.has["a.mp4"] == "" {
			t.Error("it is not sent when the store is back")
		}
	})
}

func TestItGivesUpAfterAWeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		began := time.Now()
		d.main.until = began.Add(1000 * time.Hour)
		s := d.start()
		s.Add(d.file("a.mp4"))
		s.Finish()
		<-s.Done()
		if took := time.Since(began); took < giveUp || took > giveUp+longestPause+time.Minute {
			t.Errorf("given up after %v", took)
		}
		d.wantHere("a.mp4")
	})
}

func TestRemovedFileHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		f := d.file("a.mp4")
		if err := os.Remove(f.Path); err != nil {
			t.Fatal(err)
		}
		s := d.start()
		s.Add(f, d.file("b.mp4"))
		s.Finish()
		<-s.Done()
		if d.settled[0].Files[0].Where != Gone || d.settled[0].Files[1].Where != InStore {
			t.Errorf("files are at %+v", d.settled[0].Files)
		}
	})
}

// TestStopAtAnyMomentTellsTheEndOnce starts again from every state that was saved.
func TestStopAtAnyMomentTellsTheEndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t).withBackup()
		d.manifest = true
		began := time.Now()
		d.main.until = began.Add(80 * time.Second)
		s := d.start()
		s.Add(d.file("a.mp4"))
		s.Add(d.file("b.mp4"))
		s.Finish()
		<-s.Done()
		states := slices.DeleteFunc(d.states, func(state string) bool { return !strings.Contains(state, `"ended":`) })
		if len(states) < 7 {
			t.Fatalf("%d states only", len(states))
		}
		for i, state := range states {
			told := strings.Contains(state, `"told":true`)
			d.kept, d.settled, d.at = state, nil, nil
			<-d.restart().Done()
			if want := map[bool]int{false: 1, true: 0}[told]; len(d.settled) != want {
				t.Errorf("from state %d: the end is told %d times, want %d", i, len(d.settled), want)
			}
			if names := strings.Count(d.kept, `"name":"manifest.json"`); names != 1 {
				t.Errorf("from state %d: %d manifests", i, names)
			}
		}
	})
}
