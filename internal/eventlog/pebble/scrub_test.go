package pebble_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
)

// holding returns the files below dir that hold text.
func holding(t *testing.T, dir, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			files = append(files, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The name is random text, which compression leaves as it is where it stands
// first.
func TestWhatIsForgottenIsInNoFile(t *testing.T) {
	dir := t.TempDir()
	l := openDir(t, dir)
	secret := rand.Text()
	for i := range 500 {
		p := &livekit.ParticipantInfo{Sid: "PA_1", Identity: "anna", Name: secret}
		if i%2 == 0 {
			p = &livekit.ParticipantInfo{Sid: "PA_2", Identity: "bert", Name: rand.Text()}
		}
		l.Append(event.Event{Name: event.ParticipantJoined, Room: &livekit.Room{Sid: "RM_1", Name: "den"}, Participant: p})
	}
	if err := l.Sync(t.Context(), 500); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(holding(t, dir, secret)) == 0 {
		t.Fatal("no file holds the name: this test sees nothing")
	}

	l = openDir(t, dir)
	done, err := l.Forget(t.Context(), eventlog.Person{Identity: "anna"})
	if err != nil || done.Events != 250 {
		t.Fatalf("Forget = %+v, %v", done, err)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if files := holding(t, dir, secret); len(files) > 0 {
		t.Errorf("still in %v", files)
	}
	l = openDir(t, dir)
	records, err := l.Read(t.Context(), 0, 1000)
	if err != nil || len(records) != 500 || records[1].Identity != done.Pseudonym || records[0].Identity != "bert" {
		t.Errorf("%d records are left, %v", len(records), err)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// Who asks may go away: that is no failure of the log, and asking again does it.
func TestForgettingThatIsGivenUpLeavesTheLogAtWork(t *testing.T) {
	store, l := openStore(t, t.TempDir())
	join := event.Event{Name: event.ParticipantJoined, Room: &livekit.Room{Sid: "RM_1", Name: "den"}, Participant: &livekit.ParticipantInfo{Sid: "PA_1", Identity: "anna"}}
	if err := l.Sync(t.Context(), l.Append(join)); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Scrub(gone, 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Scrub = %v", err)
	}
	if err := l.Sync(t.Context(), l.Append(join)); err != nil {
		t.Errorf("the log takes no more events: %v", err)
	}
	if err := store.Scrub(t.Context(), 1, 2); err != nil {
		t.Errorf("Scrub, asked again: %v", err)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func openDir(t *testing.T, dir string) *eventlog.Log {
	t.Helper()
	_, l := openStore(t, dir)
	return l
}

func openStore(t *testing.T, dir string) (*pebble.Store, *eventlog.Log) {
	t.Helper()
	store, err := pebble.Open(pebble.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	l, err := eventlog.Open(eventlog.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	return store, l
}
