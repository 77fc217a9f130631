package peer

import (
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/pion/logging"
)

// acceptPause is how long a listener waits when the system has no more files or
// memory for a connection.
const acceptPause = 100 * time.Millisecond

// patientListener goes on where a plain one fails for the moment: pion's
// multiplexer would never accept again.
type patientListener struct {
	net.Listener
	log logging.LeveledLogger
}

// Accept returns an error only if the listener is of no more use.
func (l patientListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case errors.Is(err, syscall.ECONNABORTED):
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE),
			errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
			l.log.Warnf("connection not accepted: %v", err)
			time.Sleep(acceptPause)
		default:
			return conn, err
		}
	}
}
