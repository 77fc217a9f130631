package peer

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
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
		l := newPatientListener(s, pionLogs{slog.New(slog.DiscardHandler)}.NewLogger("test"))
		if conn, err := l.Accept(); conn == nil || err != nil {
			t.Fatalf("%v, %v", conn, err)
		}
		if _, err := l.Accept(); !errors.Is(err, syscall.EBADF) {
			t.Errorf("a listener that is of no use says %v", err)
		}
	})
}

// A client that has connected and says nothing, or asks for nobody, keeps no server
// from stopping.
func TestSilentClientsDoNotKeepTheListenerOpen(t *testing.T) {
	f, err := NewFactory(Options{BindAddresses: []string{"127.0.0.1"}, LoopbackCandidates: true, TCPPort: -1})
	if err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		c, err := net.DialTCP("tcp", nil, f.TCPAddr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	silent, asking := dial(), dial()
	check := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername("nobody:known"), stun.Fingerprint)
	if _, err := asking.Write(append([]byte{byte(len(check.Raw) >> 8), byte(len(check.Raw))}, check.Raw...)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- f.Close(t.Context()) }()
	// pion's own limit is 30 s.
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the factory waits for clients that say nothing")
	}
	for _, c := range []net.Conn{silent, asking} {
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the connection goes on: %v", err)
		}
	}
}
