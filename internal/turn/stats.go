package turn

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/pion/logging"
)

type counters struct {
	allocations, unauthorized, overQuota, failed, forbidden, overBitrate, bytesUp, bytesDown atomic.Uint64
}

// Stats are counters since the start, and what is open now.
type Stats struct {
	Sessions     int    `json:"sessions"`     // participants who may relay
	Relays       int    `json:"relays"`       // allocations now
	Connections  int    `json:"connections"`  // of TLS, now
	Allocations  uint64 `json:"allocations"`  // made
	Unauthorized uint64 `json:"unauthorized"` // requests with wrong or revoked credentials
	OverQuota    uint64 `json:"overQuota"`    // allocations and connections refused
	Failed       uint64 `json:"failed"`       // allocations refused for another reason
	Forbidden    uint64 `json:"forbidden"`    // permissions and packets for other peers than media
	OverBitrate  uint64 `json:"overBitrate"`  // packets dropped
	BytesUp      uint64 `json:"bytesUp"`      // relayed from clients
	BytesDown    uint64 `json:"bytesDown"`    // relayed to clients
}

// Stats returns a snapshot.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	sessions, relays, connections := len(s.sessions), s.open, len(s.streams)
	s.mu.Unlock()
	c := &s.counters
	return Stats{
		Sessions: sessions, Relays: relays, Connections: connections,
		Allocations: c.allocations.Load(), Unauthorized: c.unauthorized.Load(),
		OverQuota: c.overQuota.Load(), Failed: c.failed.Load(), Forbidden: c.forbidden.Load(),
		OverBitrate: c.overBitrate.Load(), BytesUp: c.bytesUp.Load(), BytesDown: c.bytesDown.Load(),
	}
}

// pionLogs sends pion's complaints to the log at debug level: what a stranger
// sends is nothing that an operator has to read.
type pionLogs struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (l pionLogs) NewLogger(scope string) logging.LeveledLogger { return pionLog{l.log, scope} }

type pionLog struct {
	log   *slog.Logger
	scope string
}

func (l pionLog) say(text string) { l.log.Debug("pion: "+text, "scope", l.scope) }

func (l pionLog) Trace(string)                 {}
func (l pionLog) Tracef(string, ...any)        {}
func (l pionLog) Debug(string)                 {}
func (l pionLog) Debugf(string, ...any)        {}
func (l pionLog) Info(string)                  {}
func (l pionLog) Infof(string, ...any)         {}
func (l pionLog) Warn(msg string)              { l.say(msg) }
func (l pionLog) Warnf(f string, args ...any)  { l.say(fmt.Sprintf(f, args...)) }
func (l pionLog) Error(msg string)             { l.say(msg) }
func (l pionLog) Errorf(f string, args ...any) { l.say(fmt.Sprintf(f, args...)) }
