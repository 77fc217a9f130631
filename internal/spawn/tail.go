package spawn

import (
	"bytes"
	"strings"
	"sync"
)

// Tail keeps the end of what is written to it: what a child says at last is why it
// ended.
type Tail struct {
	limit int // bytes

	mu  sync.Mutex
	buf []byte // mu guards
}

// NewTail returns one that keeps that many bytes.
func NewTail(limit int) *Tail { return &Tail{limit: limit} }

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - t.limit; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// String is all that is kept.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(t.buf, nil))
}

// Last is the last line that says something, "" if none does.
func (t *Tail) Last() string {
	said := strings.TrimSpace(t.String())
	return strings.TrimSpace(said[strings.LastIndexByte(said, '\n')+1:])
}
