package agent

import (
	"context"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/outbox"
)

// Dispatcher gives jobs to workers. Its methods may be called from anywhere.
type Dispatcher struct {
	opts Options // immutable

	ctx    context.Context // ends when Close begins
	cancel context.CancelFunc
	turnc  chan func(*state)
	loop   sync.WaitGroup // the loop and the reader
	watch  sync.Once      // starts the reader
	probes *outbox.Watch  // immutable; of links

	mu       sync.Mutex
	wanted   map[string][]*livekit.RoomAgentDispatch // mu guards; by the sid of a room that is about to start
	stopping bool                                    // mu guards
	links    map[*link]struct{}                      // mu guards
	serving  sync.WaitGroup                          // connections of workers
}

// Start starts a dispatcher with what an earlier run left: dispatches of rooms
// that are live again, and jobs that have not ended. Rooms must be restored.
func Start(ctx context.Context, o Options) (*Dispatcher, error) {
	d := &Dispatcher{
		opts: o.withDefaults(), turnc: make(chan func(*state), 256),
		wanted: make(map[string][]*livekit.RoomAgentDispatch),
		links:  make(map[*link]struct{}),
		probes: outbox.NewWatch(pingInterval),
	}
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s := newState(d)
	if err := s.restore(ctx); err != nil {
		d.cancel()
		return nil, err
	}
	if len(s.rooms)+len(s.jobs) > 0 {
		d.startWatching()
	}
	d.loop.Go(func() { d.run(s) })
	return d, nil
}

// Wants notes that the room that is about to start wants these agents. It does
// not block; call it before the room's room_started is appended.
func (d *Dispatcher) Wants(sid string, agents []*livekit.RoomAgentDispatch) {
	if len(agents) == 0 {
		return
	}
	d.startWatching()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted[sid] = agents
}

func (d *Dispatcher) takeWanted(sid string) []*livekit.RoomAgentDispatch {
	d.mu.Lock()
	defer d.mu.Unlock()
	agents := d.wanted[sid]
	delete(d.wanted, sid)
	return agents
}

// do runs fn in the loop and waits for the end of its turn.
func (d *Dispatcher) do(ctx context.Context, fn func(*state)) error {
	done := make(chan struct{})
	select {
	case d.turnc <- func(s *state) { fn(s); close(done) }:
	case <-d.ctx.Done():
		return ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-d.ctx.Done():
		return ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the loop.
func (d *Dispatcher) run(s *state) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(s.alarm()))
		select {
		case <-d.ctx.Done():
			return
		case fn := <-d.turnc:
			s.now = time.Now()
			fn(s)
		case <-timer.C:
			s.now = time.Now()
			s.tick()
		}
	}
}

// startWatching begins to read the log from its end on, once there is somebody
// to dispatch to or for: a server without agents pays nothing for them.
func (d *Dispatcher) startWatching() {
	d.watch.Do(func() {
		after := d.opts.Log.Last()
		d.loop.Go(func() { d.read(after) })
	})
}

// read brings the events of rooms into the loop.
func (d *Dispatcher) read(after uint64) {
	for d.opts.Log.Wait(d.ctx, after) == nil {
		records, err := d.opts.Log.Read(d.ctx, after, 256)
		if err != nil {
			if d.ctx.Err() == nil {
				// Damaged or trimmed: what is missed there, the ends of jobs do
				// not depend on.
				d.opts.Logger.Error("read event log for agents", "error", err)
				after = d.opts.Log.Last()
			}
			continue
		}
		if len(records) == 0 {
			continue
		}
		after = records[len(records)-1].Seq
		if err := d.do(d.ctx, func(s *state) {
			for i := range records {
				s.observe(&records[i])
			}
		}); err != nil {
			return
		}
	}
}

// Close ends the connections of workers, which come back to the next run and
// claim their jobs. No job ends by it.
func (d *Dispatcher) Close(ctx context.Context) error {
	d.mu.Lock()
	d.stopping = true
	for l := range d.links {
		l.CloseAs(websocket.StatusGoingAway, "server is stopping")
		l.Close()
	}
	d.mu.Unlock()
	d.cancel()
	done := make(chan struct{})
	go func() {
		d.serving.Wait()
		d.loop.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stats counts what is there now.
type Stats struct {
	Workers    int `json:"workers"`
	Dispatches int `json:"dispatches"`
	Pending    int `json:"pendingJobs"`
	Running    int `json:"runningJobs"`
}

// Stats returns a snapshot; a zero one once the dispatcher stops.
func (d *Dispatcher) Stats() (st Stats) {
	_ = d.do(d.ctx, func(s *state) {
		st.Workers = len(s.workers)
		for _, r := range s.rooms {
			st.Dispatches += len(r.dispatches)
		}
		for _, j := range s.jobs {
			if j.info.State.Status == livekit.JobStatus_JS_PENDING {
				st.Pending++
			} else {
				st.Running++
			}
		}
	})
	return st
}

// observe takes note of what happened in a room.
func (s *state) observe(rec *event.Record) {
	switch rec.Name {
	case event.RoomStarted:
		s.roomStarted(rec)
		return
	case event.ParticipantJoined, event.ParticipantLeft, event.ParticipantConnectionAborted,
		event.TrackPublished, event.RoomFinished:
	default:
		return
	}
	s.agentMoved(rec)
	if r := s.rooms[rec.RoomSID]; r != nil {
		s.follow(r, rec)
	}
}
