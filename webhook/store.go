package webhook

import (
	"context"
	"sync"
	"time"
)

// Store keeps how far each lane is. A lane is a short text: "room:" and the
// room's name, or what an event of no room is in order with.
// webhook/storetest checks an implementation.
type Store[Tx any] interface {
	// Load returns the position of a lane. One that the store does not know is
	// at the Seq below which lanes have been pruned, with an empty ID.
	Load(ctx context.Context, lane string) (Position, error)
	// Advance moves a lane from one position to the next and calls do, in one
	// transaction, which ends with an error if do does. If the lane is not at
	// from, it returns ErrConflict; do may have been called, but has no effect.
	Advance(ctx context.Context, lane string, from, to Position, do func(ctx context.Context, tx Tx) error) error
}

// Position is the last event of a lane that was handed over.
type Position struct {
	Seq     uint64
	ID      string
	RoomSID string
	RoomSeq uint64
}

// NoTx is the transaction of a store that has none.
type NoTx = struct{}

// MemoryStore keeps positions for the life of the process. What the application
// did before Handle fails stays done.
type MemoryStore struct {
	mu    sync.Mutex
	lanes map[string]*memoryLane // mu guards
	floor uint64                 // mu guards
	locks laneLocks              // held while do runs
}

type memoryLane struct {
	pos   Position
	moved time.Time
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{lanes: make(map[string]*memoryLane)}
}

// Load implements Store.
func (s *MemoryStore) Load(_ context.Context, lane string) (Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load(lane), nil
}

func (s *MemoryStore) load(lane string) Position {
	if l := s.lanes[lane]; l != nil {
		return l.pos
	}
	return Position{Seq: s.floor}
}

// Advance implements Store.
func (s *MemoryStore) Advance(ctx context.Context, lane string, from, to Position, do func(context.Context, NoTx) error) error {
	unlock, err := s.locks.lock(ctx, lane)
	if err != nil {
		return err
	}
	defer unlock()
	if at, _ := s.Load(ctx, lane); at != from {
		return ErrConflict
	}
	if err := do(ctx, NoTx{}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes[lane] = &memoryLane{pos: to, moved: time.Now()}
	return nil
}

// Prune forgets lanes that have not moved since before, which has to be longer
// ago than the server keeps events; see SQLStore.Prune.
func (s *MemoryStore) Prune(_ context.Context, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.lanes {
		if l.moved.Before(before) {
			s.floor = max(s.floor, l.pos.Seq)
			delete(s.lanes, name)
		}
	}
	return nil
}
