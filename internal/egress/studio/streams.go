package studio

import (
	"errors"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// streams are destinations that frames are sent to. None waits for another, and the
// end of one is not that of the others.
type streams struct {
	output
	tracks  []container.Track
	program *ffmpeg.Program
	alone   bool // there is no other output
	options ffmpeg.PushOptions

	all     []*stream
	closing sync.WaitGroup
}

type stream struct {
	wire.Destination
	pusher *ffmpeg.Pusher
}

// errStreams says that nothing is left to be done.
var errStreams = errors.New("no destination can be reached any more")

func (s *streams) begin(time.Time) error {
	for _, d := range s.Destinations {
		s.add(d)
	}
	return nil
}

func (s *streams) add(d wire.Destination) {
	pusher, err := s.program.Push(d.URL, s.tracks, s.options, func(state ffmpeg.State, err error) { s.tell(d, state, err) })
	if err != nil {
		s.tell(d, ffmpeg.Failed, err)
		return
	}
	s.all = append(s.all, &stream{d, pusher})
}

func (s *streams) tell(d wire.Destination, state ffmpeg.State, err error) {
	r := wire.Report{Kind: wire.StreamState, Output: s.index, URL: d.URL, ID: d.ID, State: string(state)}
	if err != nil {
		r.Error = err.Error()
	}
	s.studio.report(r)
}

// control begins and ends destinations.
func (s *streams) control(c wire.Control) {
	for _, gone := range c.Remove {
		for i, st := range s.all {
			if st.URL == gone || st.ID != "" && st.ID == gone {
				s.all = append(s.all[:i:i], s.all[i+1:]...)
				s.closing.Go(st.pusher.Close)
				break
			}
		}
	}
	for _, d := range c.Add {
		s.add(d)
	}
}

func (s *streams) write(f container.Frame) error {
	for _, st := range s.all {
		st.pusher.Push(f)
	}
	return nil
}

// flush notices when nobody is left to send to.
func (s *streams) flush(time.Time) error {
	if !s.alone || len(s.all) == 0 {
		return nil
	}
	for _, st := range s.all {
		select {
		case <-st.pusher.Done():
		default:
			return nil
		}
	}
	return errStreams
}

func (s *streams) close() ([]wire.Made, error) {
	for _, st := range s.all {
		s.closing.Go(st.pusher.Close)
	}
	s.all = nil
	s.closing.Wait()
	return nil, nil
}
