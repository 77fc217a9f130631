package pebble_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

// writerDir, when set, makes the test binary the process that is killed.
const writerDir = "ROLLCALL_TEST_WRITER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// writeUntilKilled closes what the run before left open, appends events of
// several rooms at once, and prints each Seq that is durable.
func writeUntilKilled(dir string) error {
	store, err := pebble.Open(pebble.Options{Dir: dir, MemTableSize: smallMemTable})
	if err != nil {
		return err
	}
	l, err := eventlog.Open(eventlog.Options{Store: store})
	if err != nil {
		return err
	}
	ctx := context.Background()
	if _, err := l.CloseOpen(ctx, time.Now()); err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	var mu sync.Mutex
	report := func(seq uint64) error {
		if err := l.Sync(ctx, seq); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(out, seq)
		return out.Flush()
	}
	begun := l.Last()
	errc := make(chan error, 4)
	for i := range cap(errc) {
		go func() {
			for session := 0; ; session++ {
				room := storetest.NewRoom(fmt.Sprint("room-", i), fmt.Sprintf("RM_%d_%d_%d", begun, i, session))
				last := l.Append(room.Start(), room.Join(), room.Join(), room.Publish(0), room.Publish(1))
				err := report(last)
				for range 20 {
					l.Append(room.Leave(0)...)
					l.Append(room.Join())
					err = errors.Join(err, report(l.Append(room.Publish(1))))
				}
				if err = errors.Join(err, report(l.Append(room.Finish()...))); err != nil {
					errc <- err
					return
				}
			}
		}()
	}
	return <-errc
}

func TestKilledWriterLosesNothingSynced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "events")
	kills := 10
	if testing.Short() {
		kills = 3
	}
	rng := rand.New(rand.NewPCG(5, 5))
	for range kills {
		synced := runAndKill(t, dir, 20+rng.IntN(150))
		l := openLog(t, pebble.Options{Dir: dir})
		if l.Last() < synced {
			t.Fatalf("%d was durable, after the kill the log ends at %d", synced, l.Last())
		}
		storetest.CheckOrder(t, storetest.ReadAll(t, l))
		closeLog(t, l)
	}
	l := openLog(t, pebble.Options{Dir: dir})
	defer closeLog(t, l)
	if _, err := l.CloseOpen(context.Background(), time.Now()); err != nil {
		t.Fatal(err)
	}
	storetest.CheckClosed(t, storetest.ReadAll(t, l))
}

// runAndKill runs a writer, kills it when it has reported lines Seqs, and
// returns the highest that it reported.
func runAndKill(t *testing.T, dir string, lines int) (synced uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), writerDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for s := bufio.NewScanner(out); s.Scan(); {
		seq, err := strconv.ParseUint(s.Text(), 10, 64)
		if err != nil {
			t.Errorf("writer says %q", s.Text())
		}
		synced = max(synced, seq)
		if n++; n == 1 {
			// The directory is the writer's as long as it lives.
			if _, err := pebble.Open(pebble.Options{Dir: dir}); !errors.Is(err, eventlog.ErrLocked) {
				t.Errorf("open while the writer lives: %v, want ErrLocked", err)
			}
		}
		if n == lines {
			cmd.Process.Kill() // SIGKILL; what the pipe holds is read to its end
		}
	}
	if err := cmd.Wait(); err == nil || n < lines {
		t.Fatalf("writer ended by itself after %d lines: %v", n, err)
	}
	return synced
}
