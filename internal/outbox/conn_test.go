package outbox

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
)

// calls is a connection that remembers what each write had.
type calls struct {
	net.Conn
	got []string
	err error
}

func (c *calls) Write(b []byte) (int, error) {
	c.got = append(c.got, string(b))
	if c.err != nil {
		return len(b) / 2, c.err
	}
	return len(b), nil
}

func TestWhatIsHeldBackLeavesInOneCall(t *testing.T) {
	under := &calls{}
	l := &line{Conn: under}
	write := func(text string) {
		t.Helper()
		if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%d of %d, %v", n, len(text), err)
		}
	}
	write("one")
	l.hold(true)
	write("two")
	write("three")
	l.hold(false)
	write("four")
	l.hold(true)
	write("five")
	large := strings.Repeat("x", maxHeld)
	write(large) // is not copied again and again
	l.hold(false)
	write("six")
	if want := []string{"one", "twothreefour", "five" + large, "six"}; !slices.Equal(under.got, want) {
		t.Errorf("%d calls, %.40q", len(under.got), under.got)
	}
}

func TestWriteThatFailsCountsWhatIsItsOwn(t *testing.T) {
	under := &calls{err: errors.New("broken")}
	l := &line{Conn: under}
	l.hold(true)
	if n, err := l.Write([]byte("12345678")); n != 8 || err != nil {
		t.Errorf("held back: %d, %v", n, err)
	}
	l.hold(false)
	if n, err := l.Write([]byte("12")); n != 0 || !errors.Is(err, under.err) {
		t.Errorf("%d of it were written, %v", n, err)
	}
}
