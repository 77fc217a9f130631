package tcp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

func listen(t testing.TB) net.Listener {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Wrap(plain)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// several returns connections of one listener, as Wrap gives them out, and their other ends.
func several(t testing.TB, n int) (ours, theirs []net.Conn) {
	t.Helper()
	l := listen(t)
	defer l.Close()
	for range n {
		to, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = to.Close() })
		from, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, plain := from.(*net.TCPConn); plain == supported {
			t.Fatalf("accepted a %T", from)
		}
		ours, theirs = append(ours, from), append(theirs, to)
	}
	return ours, theirs
}

// pair is one of several.
func pair(t testing.TB) (one, other net.Conn) {
	t.Helper()
	ours, theirs := several(t, 1)
	return ours[0], theirs[0]
}

func TestItIsAConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		c1, c2 = pair(t)
		return c1, c2, func() { _, _ = c1.Close(), c2.Close() }, nil
	})
}

// More than the kernel buffers, and than one call takes.
func TestMuchArrivesWhole(t *testing.T) {
	sent := make([]byte, 16<<20+1)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	for _, in := range []bool{true, false} {
		to, from := pair(t)
		if !in {
			to, from = from, to
		}
		wrote := make(chan error, 1)
		go func() {
			n, err := from.Write(sent)
			if err == nil && n != len(sent) {
				err = io.ErrShortWrite
			}
			// Who is not written to any more still reads.
			wrote <- errors.Join(err, from.(interface{ CloseWrite() error }).CloseWrite())
		}()
		got, err := io.ReadAll(to)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("read %d bytes of %d, %v", len(got), len(sent), err)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		if _, err := to.Write([]byte("thanks")); err != nil {
			t.Error(err)
		}
		b := make([]byte, 6)
		if _, err := io.ReadFull(from, b); err != nil {
			t.Error(err)
		}
		if err := errors.Join(to.Close(), from.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestErrorsAreThoseOfNet(t *testing.T) {
	one, other := pair(t)
	if err := one.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := one.Read(make([]byte, 1))
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "read" || !op.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read after the deadline: %v", err)
	}
	_ = one.Close()
	if _, err := one.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write to a closed connection: %v", err)
	}
	if err := one.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if err := one.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("deadline of a closed connection: %v", err)
	}
	_ = other.Close()
	// The other side has closed: what is written is refused, sooner or later.
	one, other = pair(t)
	defer one.Close()
	_ = other.Close()
	for err = nil; err == nil; {
		_, err = one.Write(make([]byte, 1024))
	}
	if !errors.As(err, &op) || op.Op != "write" || op.Timeout() {
		t.Errorf("write to who has gone: %v", err)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	one, other := pair(t)
	defer one.Close()
	defer other.Close()
	b := make([]byte, 64)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := one.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(other, b); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
