package server

import (
	"context"
	"errors"
	"fmt"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/egress"
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
		Rooms: s.rooms, Log: eventlog.Intact{Log: s.events}, Hooks: s.delivery,
		Directory: directory, Worker: []string{program, WorkerVerb}, Logger: s.log,
		Workers: map[wire.Kind]egress.Worker{wire.Pass: {}, wire.Mix: {}, wire.Encode: s.encodes(), wire.Browse: s.browserWorker()},
	}
	if err := s.storeOptions(&o); err != nil {
		return err
	}
	if s.egress, err = egress.Open(ctx, o); err != nil {
		return err
	}
	s.warnOfMissing()
	return s.checkPresets(ctx)
}

// checkPresets refuses what presets of rooms have recorded that can never be. What
// cannot be now, for want of a program, is refused when such a room is made.
func (s *Server) checkPresets(ctx context.Context) error {
	var problems config.Problems
	for _, name := range slices.Sorted(maps.Keys(s.cfg.Room.Presets)) {
		err := s.egress.CheckAuto(ctx, s.cfg.Room.Presets[name].Egress)
		if err == nil {
			continue
		}
		key := "room.room_configurations." + name + ".egress"
		if coded, ok := errors.AsType[interface {
			error
			ErrorCode() string
		}](err); ok && coded.ErrorCode() == string(egress.InvalidArgument) {
			problems = append(problems, config.Problem{Where: s.cfg.Where["room.room_configurations"], Key: key, Text: err.Error()})
			continue
		}
		s.log.Warn("rooms of a preset cannot be made as it is: what it has recorded cannot be", "key", key, "error", err)
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// encodes is the worker of what is encoded anew. Whether there is a program for that,
// and one that can what is asked for, is seen when it is asked.
func (s *Server) encodes() egress.Worker {
	programs := &s.encoding
	check := func(ctx context.Context, r *request.Request) error {
		program, err := programs.Find(ctx)
		if err != nil {
			return err
		}
		return studio.Check(program, egress.Sketch(r))
	}
	prepare := func(ctx context.Context, _ *request.Request, job *wire.Job) error {
		job.Allow = s.receiverNetworks()
		return s.lendFFmpeg(ctx, job)
	}
	return egress.Worker{Check: check, Prepare: prepare}
}

// lendFFmpeg tells a job which ffmpeg there is: the worker need not look for it.
func (s *Server) lendFFmpeg(ctx context.Context, job *wire.Job) error {
	program, err := s.encoding.Find(ctx)
	if err != nil {
		return err
	}
	job.FFmpeg = wire.FFmpeg{Path: program.Path, Can: program.Abilities()}
	return nil
}

// firstKey is the API key that signs where nobody says which: the first by its name.
func (s *Server) firstKey() string { return slices.Min(slices.Collect(maps.Keys(s.cfg.Keys))) }
