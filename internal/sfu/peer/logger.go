package peer

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"

	"github.com/rollcall-rtc/rollcall/internal/stack"
)

const (
	levelTrace = slog.Level(-8)
	scopeDTLS  = "dtls"
)

// pionLogs sends pion's log lines to slog. A client can cause any of them, as
// often as it likes, so none is above debug. What pion calls debug and trace is
// dropped: ICE passwords are in it.
type pionLogs struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (p pionLogs) NewLogger(scope string) logging.LeveledLogger {
	return pionLogger{log: p.log, scope: scope}
}

type pionLogger struct {
	log   *slog.Logger
	scope string
}

func (p pionLogger) emit(level slog.Level, msg string, args ...any) {
	if !p.log.Enabled(context.Background(), level) {
		return
	}
	if len(args) > 0 {
		msg = fmt.Sprintf(msg, args...)
	}
	p.log.Log(context.Background(), level, msg, "pion", p.scope)
}

func (p pionLogger) Trace(string) {}
func (p pionLogger) Tracef(string, ...any) {
	if p.scope == scopeDTLS {
		stack.Reserve() // a handshake says each step before it goes deep into cryptography
	}
}

func (p pionLogger) Debug(string)          {}
func (p pionLogger) Debugf(string, ...any) {}
func (p pionLogger) Info(msg string)       { p.emit(levelTrace, msg) }
func (p pionLogger) Warn(msg string)       { p.emit(slog.LevelDebug, msg) }
func (p pionLogger) Error(msg string)      { p.emit(slog.LevelDebug, msg) }

func (p pionLogger) Infof(f string, a ...any)  { p.emit(levelTrace, f, a...) }
func (p pionLogger) Warnf(f string, a ...any)  { p.emit(slog.LevelDebug, f, a...) }
func (p pionLogger) Errorf(f string, a ...any) { p.emit(slog.LevelDebug, f, a...) }
