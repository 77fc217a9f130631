package eventlog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// reserved begins the keys that the log keeps for itself.
const reserved = "\x00log/"

// Put sets one value and returns when that is durable; SaveCursors does not wait.
func (l *Log) Put(ctx context.Context, key string, value []byte) error {
	if err := l.save(map[string][]byte{key: value}, nil, nil); err != nil {
		return err
	}
	return l.FlushCursors(ctx)
}

// Delete takes values out and returns when that is durable.
func (l *Log) Delete(ctx context.Context, keys ...string) error {
	if err := l.save(nil, keys, nil); err != nil {
		return err
	}
	return l.FlushCursors(ctx)
}

// Value returns the value of key as last set, and whether there is one.
func (l *Log) Value(key string) ([]byte, bool, error) {
	values, err := l.LoadCursors(key)
	v, ok := values[key]
	return v, ok, err
}

// Scan returns values whose keys begin with prefix and come behind after, in the
// order of their bytes: at most limit and at most MaxRead.
func (l *Log) Scan(ctx context.Context, prefix, after string, limit int) ([]Value, error) {
	if err := ctx.Err(); err != nil || limit <= 0 {
		return nil, err
	}
	limit = min(limit, MaxRead)
	l.reading.RLock()
	defer l.reading.RUnlock()
	waiting, err := l.waiting()
	if err != nil {
		return nil, err
	}
	for k := range waiting {
		if !strings.HasPrefix(k, prefix) || after != "" && k <= after {
			delete(waiting, k)
		}
	}
	// What waits may delete as many of those that are stored as it has keys.
	values, err := l.store.Values(prefix, after, limit+len(waiting))
	if err != nil {
		return nil, fmt.Errorf("scan values %q: %w", prefix, err)
	}
	whole := len(values) < limit+len(waiting)
	values = slices.DeleteFunc(values, func(v Value) bool {
		_, ok := waiting[v.Key]
		return ok || strings.HasPrefix(v.Key, reserved)
	})
	end := ""
	if !whole && len(values) > 0 {
		end = values[len(values)-1].Key
	}
	for k, v := range waiting {
		if v != nil && (whole || k < end) && !strings.HasPrefix(k, reserved) {
			values = append(values, Value{Key: k, Value: v})
		}
	}
	slices.SortFunc(values, func(a, b Value) int { return strings.Compare(a.Key, b.Key) })
	return values[:min(limit, len(values))], nil
}

// waiting returns what was saved and may not be stored yet. It is called before
// the store is read: what is committed meanwhile is then found in both, never in
// neither.
func (l *Log) waiting() (map[string][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.err
	}
	waiting := make(map[string][]byte, len(l.inFlight)+len(l.cursors))
	maps.Copy(waiting, l.inFlight)
	maps.Copy(waiting, l.cursors)
	return waiting, nil
}
