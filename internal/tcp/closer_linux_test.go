package tcp

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// open says whether the descriptor of a connection is.
func open(c net.Conn) bool {
	err := c.(*Conn).file.Control(func(uintptr) {})
	if err != nil && !errors.Is(err, os.ErrClosed) {
		panic(err)
	}
	return err == nil
}

func TestCloseIsSeenBeforeTheDescriptorIsClosed(t *testing.T) {
	ours, theirs := several(t, 1)
	reads, writes := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := ours[0].Read(make([]byte, 1))
		reads <- err
	}()
	go func() {
		_, err := ours[0].Write(make([]byte, 64<<20))
		writes <- err
	}()
	// The writer has written, so the reader, which is of the same age, waits too, or will.
	if _, err := io.ReadFull(theirs[0], make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	// A timer of this kind calls nobody: nothing closes descriptors now but us.
	c := ours[0].(*Conn).closer
	c.due = time.NewTimer(time.Hour)
	if err := ours[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-reads; !errors.Is(err, net.ErrClosed) {
		t.Errorf("who read is told %v", err)
	}
	if err := <-writes; !errors.Is(err, net.ErrClosed) {
		t.Errorf("who wrote is told %v", err)
	}
	if _, err := io.Copy(io.Discard, theirs[0]); err != nil {
		t.Errorf("the other side is told %v", err)
	}
	if !open(ours[0]) {
		t.Error("the descriptor did not wait for others")
	}
	c.close()
	if open(ours[0]) {
		t.Error("the descriptor is open")
	}
}

func TestDescriptorsAreClosedInTime(t *testing.T) {
	ours, _ := several(t, 2)
	synctest.Test(t, func(t *testing.T) {
		var c closer
		waiting := func() int {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.files)
		}
		for range 2 { // the timer works again
			c.add(ours[0].(*Conn).file)
			c.add(ours[1].(*Conn).file)
			time.Sleep(closePatience - 1)
			if n := waiting(); n != 2 {
				t.Fatalf("%d wait", n)
			}
			time.Sleep(1)
			synctest.Wait()
			if n := waiting(); n != 0 {
				t.Fatalf("%d wait still", n)
			}
		}
	})
	if open(ours[0]) || open(ours[1]) {
		t.Error("a descriptor is open")
	}
}

func TestACrowdIsClosedAtOnce(t *testing.T) {
	ours, _ := several(t, closeCrowd)
	c := ours[0].(*Conn).closer
	c.due = time.NewTimer(time.Hour)
	for _, conn := range ours {
		if !open(ours[0]) {
			t.Fatal("closed already")
		}
		_ = conn.Close()
	}
	for _, conn := range ours {
		if open(conn) {
			t.Fatal("a descriptor is open")
		}
	}
}

// Who wants descriptors and finds none gets those that wait.
func TestDescriptorsThatWaitAreClosedWhereTheyAreWanted(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	l.(*listener).closer.due = time.NewTimer(time.Hour)
	dial := func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	dial()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	dial()
	// The next descriptor would be one too many.
	next, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(next)
	none := limit
	none.Cur = uint64(next)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, refused := l.Accept()
	second, err := l.Accept()
	if e := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); e != nil {
		t.Fatal(e)
	}
	if !errors.Is(refused, unix.EMFILE) {
		t.Fatalf("the first time: %v", refused)
	}
	if err != nil {
		t.Fatalf("the second time: %v", err)
	}
	_ = second.Close()
}
