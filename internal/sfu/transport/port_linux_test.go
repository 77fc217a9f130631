package transport

import "testing"

// A train is one wake-up, and who waits for the next has no memory for it.
func TestAPortIsWokenOnceForATrain(t *testing.T) {
	from, at := newPort(t, Options{})
	to, dest := newPort(t, Options{})
	if !from.sock.trains() || !to.sock.sys.coalesce {
		t.Fatal("no trains on this kernel")
	}
	path := from.Path(dest)
	for range 3 {
		b := BorrowWide()
		var want []string
		for i := range 12 {
			packet := numbered(i, 1200)
			add(b, path, packet)
			want = append(want, string(packet))
		}
		b.Return()
		if wakes := wantNext(t, to, at, want); wakes != 1 {
			t.Errorf("woken %d times", wakes)
		}
		if _, _, ok := to.Next(); ok || to.in.lent != nil {
			t.Error("it still holds memory to read into")
		}
	}
}
