package webhook

import (
	"context"
	"strings"
	"sync"
)

// laneOf names what an event is in order with: the room of its name, across
// sessions, or by itself what is of no room, as on the server.
func laneOf(ev *Event) string {
	if name := ev.GetRoom().GetName(); name != "" {
		return roomPrefix + name
	}
	switch {
	case ev.GetParticipant().GetSid() != "":
		return "participant:" + ev.GetParticipant().GetSid()
	case ev.GetEgressInfo().GetEgressId() != "":
		return "egress:" + ev.GetEgressInfo().GetEgressId()
	case ev.GetIngressInfo().GetIngressId() != "":
		return "ingress:" + ev.GetIngressInfo().GetIngressId()
	default:
		return "other:"
	}
}

const roomPrefix = "room:"

func ofRoom(lane string) bool { return strings.HasPrefix(lane, roomPrefix) }

// laneLocks are locks by name, which exist while somebody holds or wants them.
type laneLocks struct {
	mu    sync.Mutex
	locks map[string]*laneLock // mu guards
}

type laneLock struct {
	users int           // the owner's mu guards
	slot  chan struct{} // full while somebody holds it
}

// lock waits for the lane and returns how to let go of it.
func (l *laneLocks) lock(ctx context.Context, lane string) (unlock func(), err error) {
	l.mu.Lock()
	if l.locks == nil {
		l.locks = make(map[string]*laneLock)
	}
	k := l.locks[lane]
	if k == nil {
		k = &laneLock{slot: make(chan struct{}, 1)}
		l.locks[lane] = k
	}
	k.users++
	l.mu.Unlock()

	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.locks, lane)
		}
	}
	select {
	case k.slot <- struct{}{}:
		return func() { <-k.slot; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
