package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// Consumer is a named reader of the log, whose cursor the server keeps.
type Consumer struct {
	Name string `json:"name"`
	// Room limits it to one room, by name; empty means all.
	Room string `json:"room,omitempty"`
	// Types are names or globs of events; empty means all.
	Types []string `json:"types,omitempty"`
	// Cursor is the last seq that was acknowledged.
	Cursor  uint64    `json:"cursor"`
	Created time.Time `json:"created"`
	// AckedAt is when Cursor last moved.
	AckedAt time.Time `json:"ackedAt,omitzero"`
}

// consumerPrefix begins the keys of consumers in the store.
const consumerPrefix = "consumer/"

const (
	consumerNames   = "1 to 64 letters, digits, dots, dashes and underscores"
	maxConsumerName = 64
	// maxConsumers bounds what a mistaken client can leave behind.
	maxConsumers = 10_000
)

func isConsumerName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return name != "" && len(name) <= maxConsumerName && strings.Trim(name, ".") != ""
}

// Consumers are the named readers of the log, whose cursors are kept in a store.
// What a call changed is durable when it returns:
// a cursor that a crash sets back would deliver events twice, after the server
// had said that they are done with.
type Consumers struct {
	store Store

	writing sync.Mutex // held while the store is written, so that its order is ours

	mu     sync.Mutex
	loaded bool                // mu guards
	byName map[string]Consumer // mu guards; as in the store
}

// NewConsumers returns the consumers that the store holds.
func NewConsumers(store Store) *Consumers { return &Consumers{store: store} }

// Needs returns from where on each consumer needs the log: what it has not
// acknowledged. Retention keeps that for a while.
func (cs *Consumers) Needs() []delivery.Place {
	all, err := cs.all()
	if err != nil {
		return []delivery.Place{{Kind: "consumer", Name: "(unknown)", Seq: 1}} // whatever they need, it is not taken from them
	}
	places := make([]delivery.Place, 0, len(all))
	for _, c := range all {
		places = append(places, delivery.Place{Kind: "consumer", Name: c.Name, Seq: c.Cursor + 1})
	}
	return places
}

// load reads the store once. mu must be held.
func (cs *Consumers) load() error {
	if cs.loaded {
		return nil
	}
	stored, err := cs.store.LoadCursors(consumerPrefix)
	if err != nil {
		return fmt.Errorf("load consumers: %w", err)
	}
	cs.byName = make(map[string]Consumer, len(stored))
	for key, value := range stored {
		var c Consumer
		if err := json.Unmarshal(value, &c); err != nil {
			return fmt.Errorf("load consumer %q: %w", key, err)
		}
		cs.byName[c.Name] = c
	}
	cs.loaded = true
	return nil
}

// consumer returns the one of that name.
func (cs *Consumers) consumer(name string) (Consumer, bool, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if err := cs.load(); err != nil {
		return Consumer{}, false, err
	}
	c, ok := cs.byName[name]
	return c, ok, nil
}

// all returns all of them, by name.
func (cs *Consumers) all() ([]Consumer, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if err := cs.load(); err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(cs.byName), func(a, b Consumer) int { return strings.Compare(a.Name, b.Name) }), nil
}

// change applies f to the consumer of that name, which may not exist yet, and
// keeps what it returns.
func (cs *Consumers) change(ctx context.Context, name string, f func(c Consumer, exists bool) (Consumer, error)) (_ Consumer, created bool, _ error) {
	cs.writing.Lock()
	defer cs.writing.Unlock()
	old, exists, err := cs.consumer(name)
	if err != nil {
		return old, false, err
	}
	c, err := f(old, exists)
	if err != nil {
		return old, false, err
	}
	value, err := json.Marshal(c)
	if err != nil {
		return old, false, fmt.Errorf("encode consumer: %w", err)
	}
	if err := cs.store.Put(ctx, consumerPrefix+name, value); err != nil {
		return old, false, fmt.Errorf("save consumer %q: %w", name, err)
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.byName[name] = c
	return c, !exists, nil
}

// remove forgets the consumer.
func (cs *Consumers) remove(ctx context.Context, name string) error {
	cs.writing.Lock()
	defer cs.writing.Unlock()
	if err := cs.store.Delete(ctx, consumerPrefix+name); err != nil {
		return fmt.Errorf("delete consumer %q: %w", name, err)
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.byName, name)
	return nil
}
