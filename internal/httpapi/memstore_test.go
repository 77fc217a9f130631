package httpapi

import (
	"context"
	"strings"
	"sync"
)

// memStore is a Store in memory, which a restart of the API leaves alone.
type memStore struct {
	mu     sync.Mutex
	values map[string][]byte // mu guards
	fail   error             // mu guards; what writing returns, if set
}

func (m *memStore) LoadCursors(prefix string) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string][]byte{}
	for k, v := range m.values {
		if strings.HasPrefix(k, prefix) {
			found[k] = v
		}
	}
	return found, nil
}

func (m *memStore) Put(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.values[key] = value
	}
	return m.fail
}

func (m *memStore) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		delete(m.values, key)
	}
	return m.fail
}
