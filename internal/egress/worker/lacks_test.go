package worker

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// lacking is a recorder that has left something out, and fails as it is told.
type lacking struct {
	inFrame, inFinish error
	begun, ended      bool
}

func (l *lacking) Track(wire.Track) error     { return nil }
func (l *lacking) Gone(uint16) error          { return nil }
func (l *lacking) Control(wire.Control) error { return nil }
func (l *lacking) Tick(time.Time) error       { return nil }

func (l *lacking) Frame(uint16, frames.Frame, func()) error {
	if l.begun {
		return l.inFrame
	}
	l.begun = true
	return nil
}

func (l *lacking) Finish(time.Time) (wire.Report, error) {
	l.ended = true
	return wire.Report{}, l.inFinish
}

func (l *lacking) Abandon() error {
	l.ended = true
	return nil
}

func (l *lacking) Lacks() wire.Lacks {
	if !l.ended {
		return wire.Lacks{}
	}
	return wire.Lacks{Missing: time.Hour, Filled: time.Minute, Dropped: 7}
}

// However a recording ends, it is told what is not in it: what its recorder left out, and
// what was lost on the way, also of tracks that were there to the end.
func TestWhatARecordingLacksIsTold(t *testing.T) {
	tr := tracks[1]
	all := packets(t, tr.file, tr.rate, tr.payloader)
	more := packets(t, tr.file, tr.rate, tr.payloader) // begins with a key frame
	last, first := all[len(all)-1], more[0].Timestamp
	for i, p := range more {
		p.SequenceNumber = last.SequenceNumber + 1 + uint16(i)
		p.Timestamp += last.Timestamp + 9000 - first
	}
	half := len(all) / 2
	all = append(append(all[:half:half], all[half+2:]...), more...)
	broken := errors.New("the disk is full")
	for name, c := range map[string]struct {
		rec  lacking
		tail []byte
		kind wire.ReportKind
		lost bool // some came after what was lost
	}{
		"well":             {lacking{}, wire.AppendFrame(nil, wire.End), wire.Done, true},
		"with its input":   {lacking{}, []byte{byte(wire.Packet), 0}, wire.Failed, true},
		"when it ends":     {lacking{inFinish: broken}, wire.AppendFrame(nil, wire.End), wire.Failed, true},
		"in the middle":    {lacking{inFrame: broken}, wire.AppendFrame(nil, wire.End), wire.Failed, false},
		"in both of these": {lacking{inFinish: broken}, []byte{byte(wire.Packet), 0}, wire.Failed, true},
	} {
		in := io.MultiReader(input(t, filepath.Join(t.TempDir(), "a.webm"), tr.mime, tr.rate, all, false), bytes.NewReader(c.tail))
		var out bytes.Buffer
		err := Run(in, &out, map[wire.Kind]New{wire.Pass: func(wire.Job, func(wire.Report)) (Recorder, error) { return &c.rec, nil }})
		said := reports(t, &out)
		got := said[len(said)-1]
		if (err != nil) != (c.kind == wire.Failed) || got.Kind != c.kind {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
		lost := got.Missing - time.Hour
		if got.Filled != time.Minute || got.Dropped != 7 || lost < 0 || lost > 2*time.Second || (lost > 0) != c.lost {
			t.Errorf("%s: %+v", name, got.Lacks)
		}
	}
	// One that does not begin has nothing that it lacks.
	var out bytes.Buffer
	var none *lacking
	if err := Run(input(t, filepath.Join(t.TempDir(), "a.webm"), tr.mime, tr.rate, nil, true), &out, map[wire.Kind]New{wire.Pass: func(wire.Job, func(wire.Report)) (Recorder, error) { return none, broken }}); err != broken {
		t.Errorf("%v", err)
	}
	if said := reports(t, &out); len(said) != 1 || said[0].Kind != wire.Failed || said[0].Missing != 0 {
		t.Errorf("%+v", said)
	}
}
