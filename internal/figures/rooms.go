package figures

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/room"
)

const (
	// Interval is the least time between two looks at the same thing.
	Interval = time.Second
	// patience bounds a look: a room that is stuck must not hold those who ask.
	patience = 2 * time.Second
	// kept is how long a look is of use for the rates of the next one.
	kept = 10 * time.Second
)

// Rooms is room.Registry.
type Rooms interface {
	Overviews(ctx context.Context) ([]room.Overview, error)
	Figures(ctx context.Context, name string, detail ...string) (*room.Figures, error)
}

// Line is a room in a line.
type Line struct {
	room.Overview
	// BitrateOut is payload, in bits per second since the look before this; 0 in
	// the first one.
	BitrateOut uint64 `json:"bitrateOut"`
}

// Lines are all rooms at a moment, by name. They are not to be changed.
type Lines struct {
	At    time.Time
	Rooms []Line
}

// Lobby looks at all rooms together.
type Lobby struct {
	rooms Rooms // immutable

	mu   sync.Mutex
	last Lines             // mu guards
	sent map[string]uint64 // mu guards; octets of the last look, by sid
}

// NewLobby returns a Lobby that has not looked yet.
func NewLobby(rooms Rooms) *Lobby { return &Lobby{rooms: rooms} }

// Lines returns the last look, or a new one when that is an Interval old.
func (l *Lobby) Lines(ctx context.Context) (Lines, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.last.At) < Interval-Interval/20 { // who asks each second asks a little early
		return l.last, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seen, err := l.rooms.Overviews(ctx)
	if err != nil {
		return Lines{}, err
	}
	passed := now.Sub(l.last.At)
	look, sent := Lines{At: now, Rooms: make([]Line, 0, len(seen))}, make(map[string]uint64, len(seen))
	for _, o := range seen {
		before, known := l.sent[o.SID]
		line := Line{Overview: o}
		if known && passed < kept && o.OctetsOut > before {
			line.BitrateOut = rate(o.OctetsOut-before, passed)
		}
		sent[o.SID] = o.OctetsOut
		look.Rooms = append(look.Rooms, line)
	}
	slices.SortFunc(look.Rooms, func(a, b Line) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.SID, b.SID)) })
	l.last, l.sent = look, sent
	return look, nil
}

// rate is octets in bits per second.
func rate(octets uint64, passed time.Duration) uint64 {
	if passed <= 0 {
		return 0
	}
	return uint64(float64(octets) * 8 / passed.Seconds())
}
