package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// The moments at which a victim can die by its own hand.
const (
	beforeWrite  = "before-write"  // of a file
	beforeSync   = "before-sync"   // of a file
	beforeCommit = "before-commit" // of a group of events
	afterCommit  = "after-commit"  // and before anybody knows of it
	beforeCursor = "before-cursor" // is stored
	afterCursor  = "after-cursor"
	afterRequest = "after-request" // was written to the connection
	afterAnswer  = "after-answer"  // was read from the connection
)

// reaches says how often a moment comes in a life, about.
var reaches = map[string]int{
	beforeWrite: 90, beforeSync: 70, beforeCommit: 40, afterCommit: 40, beforeCursor: 12, afterCursor: 12, afterRequest: 120, afterAnswer: 120,
}

// moments counts until the one at which die is called.
type moments struct {
	at   string
	left atomic.Int64
	die  func()
}

// pickMoment returns a moment as text, see parseMoment.
func pickMoment(random *rand.Rand) string {
	names := []string{beforeWrite, beforeSync, beforeCommit, afterCommit, beforeCursor, afterCursor, afterRequest, afterAnswer}
	name := names[random.IntN(len(names))]
	return fmt.Sprintf("%s:%d", name, 1+random.IntN(reaches[name]))
}

// parseMoment returns the moments of a victim that dies at the one given as
// "name:n", or for "" at none.
func parseMoment(s string, die func()) (*moments, error) {
	m := &moments{die: die}
	name, count, _ := strings.Cut(s, ":")
	if s == "" {
		return m, nil
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || reaches[name] == 0 {
		return nil, fmt.Errorf("moment %q: %w", s, err)
	}
	m.at = name
	m.left.Store(n)
	return m, nil
}

func (m *moments) reach(at string) {
	if at == m.at && m.left.Add(-1) == 0 {
		m.die()
	}
}

// files returns fs with its writes and syncs as moments.
func (m *moments) files(fs vfs.FS) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			m.reach(beforeSync)
		case errorfs.OpFileClose:
		default:
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				m.reach(beforeWrite)
			}
		}
		return nil
	}))
}

// watchedStore is a store with its commits as moments.
type watchedStore struct {
	eventlog.Store
	moments *moments
}

func (s watchedStore) Apply(b *eventlog.Batch) error {
	if len(b.Cursors) > 0 {
		s.moments.reach(beforeCursor)
	}
	s.moments.reach(beforeCommit)
	if err := s.Store.Apply(b); err != nil {
		return err
	}
	s.moments.reach(afterCommit)
	if len(b.Cursors) > 0 {
		s.moments.reach(afterCursor)
	}
	return nil
}

// dial connects with requests and answers as moments.
func (m *moments) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return watchedConn{conn, m}, nil
}

type watchedConn struct {
	net.Conn
	moments *moments
}

func (c watchedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err == nil {
		c.moments.reach(afterRequest)
	}
	return n, err
}

func (c watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		c.moments.reach(afterAnswer)
	}
	return n, err
}
