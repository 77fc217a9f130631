package peer

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
)

// scripted is a listener that fails as it is told.
type scripted struct {
	net.Listener
	errs []error
}

func (s *scripted) Accept() (net.Conn, error) {
	err := s.errs[0]
	s.errs = s.errs[1:]
	if err != nil {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	return &net.TCPConn{}, nil
}

func TestListenerOutlivesAMomentWithoutFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{errs: []error{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, nil, syscall.EBADF}}
		l := patientListener{s, pionLogs{slog.New(slog.DiscardHandler)}.NewLogger("test")}
		if conn, err := l.Accept(); conn == nil || err != nil {
			t.Fatalf("%v, %v", conn, err)
		}
		if _, err := l.Accept(); !errors.Is(err, syscall.EBADF) {
			t.Errorf("a listener that is of no use says %v", err)
		}
	})
}
