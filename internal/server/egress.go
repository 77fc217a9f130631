package server

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/rollcall-rtc/rollcall/internal/egress"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/studio"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// WorkerVerb is the first argument with which this program is a worker of one
// recording; see package egress/worker.
const WorkerVerb = "egress-worker"

// openEgress ends the recordings of the last run, and begins to take new ones.
func (s *Server) openEgress(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, to run it again for recordings: %w", err)
	}
	directory := s.cfg.Egress.Directory
	if directory == "" {
		directory = filepath.Join(s.cfg.DataDir, "egress")
	}
	if directory, err = filepath.Abs(directory); err != nil {
		return fmt.Errorf("egress.directory: %w", err)
	}
	o := egress.Options{
		Rooms: s.rooms, Log: s.events, Hooks: s.delivery,
		Directory: directory, Worker: []string{program, WorkerVerb}, Logger: s.log,
		Workers: map[wire.Kind]egress.Worker{wire.Pass: {}, wire.Mix: {}, wire.Encode: s.encodes(), wire.Browse: s.browserWorker()},
	}
	if err := s.storeOptions(&o); err != nil {
		return err
	}
	s.egress, err = egress.Open(ctx, o)
	return err
}

// encodes is the worker of what is encoded anew. Whether there is a program for that,
// and one that can what is asked for, is seen when it is asked.
func (s *Server) encodes() egress.Worker {
	var programs ffmpeg.Finder
	check := func(r *request.Request) error {
		program, err := programs.Find(context.Background())
		if err != nil {
			return err
		}
		return studio.Check(program, egress.Sketch(r))
	}
	prepare := func(_ context.Context, _ *request.Request, job *wire.Job) error {
		job.Allow = s.receiverNetworks()
		return nil
	}
	return egress.Worker{Check: check, Prepare: prepare}
}

// firstKey is the API key that signs where nobody says which: the first by its name.
func (s *Server) firstKey() string { return slices.Min(slices.Collect(maps.Keys(s.cfg.Keys))) }
