package room

import (
	"context"
	"log/slog"
	"time"
)

// Room is the handle of one room session: the way to reach its loop.
type Room struct {
	name  string        // immutable
	sid   string        // immutable
	msgc  chan turn     // to the loop
	donec chan struct{} // closed when the session is over and its last event appended
}

// turn is one piece of work for the loop.
type turn struct {
	fn func(*state)
	// done gets the place of the room's last event after the turn's are
	// appended; buffered, may be nil.
	done chan<- uint64
}

// mailbox is how many turns may wait before those who post them do.
const mailbox = 256

// maxUncommitted is after how many turns their events are committed although
// others wait.
const maxUncommitted = 16

func newRoom(name, sid string) *Room {
	return &Room{name: name, sid: sid, msgc: make(chan turn, mailbox), donec: make(chan struct{})}
}

// post hands fn to the loop and does not wait for it. It reports whether the
// session was still open; a turn posted to a session that closes meanwhile is
// dropped.
func (r *Room) post(fn func(*state)) bool {
	select {
	case <-r.donec:
		return false
	default:
	}
	select {
	case r.msgc <- turn{fn: fn}:
		return true
	case <-r.donec:
		return false
	}
}

// do runs fn in the loop, waits for the end of its turn and returns the place of
// the room's last event. After an error, what fn writes must not be read: it may
// still run.
func (r *Room) do(ctx context.Context, fn func(*state)) (seq uint64, err error) {
	done := make(chan uint64, 1)
	select {
	case r.msgc <- turn{fn: fn, done: done}:
	case <-r.donec:
		return 0, errClosed
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case seq = <-done:
		return seq, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-r.donec:
	}
	// The session ended: with this turn, or before it.
	select {
	case seq = <-done:
		return seq, nil
	default:
		return 0, errClosed
	}
}

// run is the loop. It returns when the session is over, after waiting for the
// connections it closed.
func (r *Room) run(s *state) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for turns := 0; !s.finished; turns++ {
		// Those who wait have their answers first, also who has made the room.
		if len(r.msgc) == 0 || turns%maxUncommitted == maxUncommitted-1 {
			s.commit()
		}
		timer.Reset(time.Until(s.alarm))
		select {
		case t := <-r.msgc:
			s.now = time.Now()
			t.fn(s)
			s.endTurn()
			if t.done != nil {
				t.done <- s.lastSeq
			}
		case <-timer.C:
			s.now = time.Now()
			s.tick()
			s.endTurn()
		}
	}
	s.commit()
	// Who waits for the last turn has its answer by now, everybody else gets it.
	close(r.donec)
	s.closers.Wait()
}

func (r *Room) logger(base *slog.Logger) *slog.Logger {
	return base.With("room", r.name, "room_sid", r.sid)
}
