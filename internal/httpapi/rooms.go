package httpapi

import (
	"context"
	"strings"
	"sync"
)

// sidPrefix begins the sid of a room session. A room may have a name that looks
// like one.
const sidPrefix = "RM_"

// roomFinder knows which room a sid is of.
type roomFinder struct {
	log Log // immutable

	mu    sync.Mutex
	names map[string]string // mu guards; by sid, of those that were asked for
}

// maxFound bounds names.
const maxFound = 4096

// find returns the filter for what a caller calls a room: its name, or the sid
// of one of its sessions. What is neither is taken for a name, of a room that
// may yet begin.
func (f *roomFinder) find(ctx context.Context, asked string) (roomFilter, error) {
	if !strings.HasPrefix(asked, sidPrefix) {
		return roomFilter{name: asked}, nil
	}
	f.mu.Lock()
	name, ok := f.names[asked]
	f.mu.Unlock()
	if ok {
		return roomFilter{name: name, sid: asked}, nil
	}
	session, known, err := f.log.Session(ctx, asked)
	if err != nil {
		return roomFilter{}, err
	}
	if !known {
		return roomFilter{name: asked}, nil
	}
	name = session.Room
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.names == nil || len(f.names) >= maxFound {
		f.names = make(map[string]string)
	}
	f.names[asked] = name
	return roomFilter{name: name, sid: asked}, nil
}
