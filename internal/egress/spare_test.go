package egress

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

var quiet = slog.New(slog.DiscardHandler)

// waiting is a spare whose workers wait for their input.
func waiting() *spare {
	return newSpare(quiet, func(id string) (*process, error) {
		return startProcess(Options{Logger: quiet}, []string{"sh", "-c", `while read -r line; do echo "$line"; done`}, id)
	})
}

func TestSpareWorkerGetsTheNextJob(t *testing.T) {
	s := waiting()
	if p, _ := s.take(); p != nil {
		t.Fatal("there is a spare worker before the first recording")
	}
	s.fill()
	s.fill() // there is one
	p, id := s.take()
	if p == nil || !isWorker(p.id(), id) {
		t.Fatalf("no worker of id %q", id)
	}
	if again, _ := s.take(); again != nil {
		t.Error("the same worker for two")
	}
	if _, err := io.WriteString(p.in, `{"kind":"active"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if r := <-p.reports; r.Kind != "active" {
		t.Errorf("it says %+v", r)
	}
	s.close()
	retire(p)
}

func TestSpareWorkerThatDiedIsNotTaken(t *testing.T) {
	s := waiting()
	s.fill()
	s.worker.kill()
	for range s.worker.reports {
		t.Error("it said something")
	}
	if p, _ := s.take(); p != nil {
		t.Error("a dead worker was taken")
	}
	s.fill()
	if p, _ := s.take(); p == nil {
		t.Error("there is no other")
	} else {
		retire(p)
	}
	s.close()
}

func TestSpareWorkerEndsWithItsService(t *testing.T) {
	s := waiting()
	s.want()
	s.fill()
	pid := s.worker.id()
	s.close()
	if p, _ := s.take(); p != nil {
		t.Error("it is there still")
	}
	if isWorker(pid, s.id) {
		t.Error("it runs still")
	}
	s.want()
	s.fill()
	if s.worker != nil {
		t.Error("there is one after the end")
	}
}

func TestSpareWorkerStartsAfterARecordingHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int64
		s := newSpare(quiet, func(string) (*process, error) {
			tries.Add(1)
			return nil, errors.New("none")
		})
		defer s.close()
		time.Sleep(time.Hour)
		if tries.Load() != 0 {
			t.Errorf("%d were started before the first recording", tries.Load())
		}
		for want := range int64(3) {
			s.want()
			time.Sleep(spareAfter / 2)
			s.want()
			synctest.Wait()
			if tries.Load() != want {
				t.Errorf("%d were started while recordings began", tries.Load()-want)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if tries.Load() != want+1 {
				t.Errorf("%d were started after recording %d", tries.Load(), want+1)
			}
		}
	})
}

func TestRequestThatIsRefusedLeavesTheSpareWorker(t *testing.T) {
	o := testOptions(t, &notebook{cursors: make(map[string][]byte)})
	o.Worker = []string{"sh", "-c", `while read -r line; do echo "$line"; done`}
	broken := errors.New("the page cannot be told to anybody")
	o.Workers[wire.Browse] = Worker{Prepare: func(context.Context, *request.Request, *wire.Job) error { return broken }}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer closes(t, s)
	s.spare.fill()
	pid, id := s.spare.worker.id(), s.spare.id
	for range 3 {
		_, err := s.Start(t.Context(), "key", &livekit.WebEgressRequest{Url: "https://example.com",
			FileOutputs: []*livekit.EncodedFileOutput{{FileType: livekit.EncodedFileType_MP4}}})
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	p, again := s.spare.take()
	if p == nil || p.id() != pid || again != id || !isWorker(pid, id) {
		t.Fatalf("the worker is gone: %v, %q", p, again)
	}
	// One that comes back late finds its place taken.
	s.spare.fill()
	s.spare.give(p, again)
	if isWorker(pid, id) {
		t.Error("there are two")
	}
}
