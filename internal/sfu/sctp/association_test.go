package sctp

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	reliable  = Reliability{}
	unordered = Reliability{Unordered: true}
	lossy     = Reliability{Unordered: true, Limited: true}
)

func TestEitherSideOrBothMayConnect(t *testing.T) {
	for name, who := range map[string][]int{"one": {0}, "the other": {1}, "both": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, 1)
			for _, i := range who {
				n.ends[i].Connect(n.now)
			}
			n.until("established", func() bool { return n.ends[0].Established() && n.ends[1].Established() })
			n.send(0, 1, "hello", reliable)
			n.send(1, 1, "hello back", reliable)
			n.rest()
			if got := n.ends[1].got; len(got) != 1 || string(got[0].Payload) != "hello" || got[0].Kind != 51 {
				t.Errorf("got %v", got)
			}
			if got := n.ends[0].got; len(got) != 1 || string(got[0].Payload) != "hello back" {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestEachPacketOfTheHandshakeMayBeLost(t *testing.T) {
	for lost := range 6 {
		n, count := newNetwork(t, 1), 0
		n.dropNext = func(int, []byte) bool { count++; return count == lost }
		n.ends[0].Connect(n.now)
		if lost%2 == 0 {
			n.ends[1].Connect(n.now)
		}
		n.send(0, 1, "hello", reliable)
		n.until("message", func() bool { return len(n.ends[1].got) == 1 })
		n.rest()
	}
}

func TestNobodyThereEndsTheAssociation(t *testing.T) {
	n := newNetwork(t, 1)
	n.loss = 1
	n.ends[0].Connect(n.now)
	n.rest()
	if err := n.ends[0].Err(); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestClosingTellsTheOtherSide(t *testing.T) {
	n := newNetwork(t, 1).connected()
	n.ends[0].Close()
	n.rest()
	if err := n.ends[1].Err(); !errors.Is(err, ErrAborted) {
		t.Errorf("got %v", err)
	}
	if err := n.ends[0].Send(1, 51, []byte("x"), reliable, n.now); !errors.Is(err, ErrClosed) {
		t.Errorf("sending says %v", err)
	}
}

func TestWhoExpectsNoMoreMayAcknowledgeAtOnce(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		n := newNetwork(t, 1).connected()
		n.rest()
		n.send(0, 1, "hello", reliable)
		began := n.now
		n.until("arrived", func() bool { return len(n.ends[1].got) == 1 })
		if atOnce {
			n.ends[1].Acknowledge(n.now)
			if at := n.ends[1].Deadline(); !at.IsZero() {
				t.Errorf("it is to be woken in %v", at.Sub(n.now))
			}
		}
		n.until("acknowledged", func() bool { return n.ends[0].Deadline().IsZero() })
		if took := n.now.Sub(began); took < ackDelay != atOnce {
			t.Errorf("acknowledged after %v", took)
		}
		sent := n.sent
		if n.ends[1].Acknowledge(n.now); n.sent != sent {
			t.Error("nothing is acknowledged again")
		}
	}
}

func TestReliableMessagesArriveOnceAndInOrder(t *testing.T) {
	for seed := range uint64(8) {
		n := newNetwork(t, seed)
		n.loss, n.repeat, n.jitter = 0.15, 0.1, 30*time.Millisecond
		n.connected()
		const count = 120
		for i := range count {
			size := 10
			if i%10 == 0 {
				size = n.random.IntN(60000)
			}
			n.send(0, 1, text(i, size), reliable)
			n.send(1, 2, text(i, 20), reliable)
			n.send(1, 3, text(i, 1000+size%3000), unordered)
		}
		n.until("all", func() bool { return len(n.ends[1].got) == count && len(n.ends[0].got) == 2*count })
		n.rest()
		next := [2]int{}
		var loose []int
		for side, e := range n.ends {
			for _, m := range e.got {
				i, size := parse(t, m)
				if len(m.Payload) != max(size, len(text(i, 0))) && len(m.Payload) != size {
					t.Fatalf("message %d has %d bytes, not %d", i, len(m.Payload), size)
				}
				if m.Stream == 3 {
					loose = append(loose, i)
					continue
				}
				if i != next[side] {
					t.Fatalf("seed %d: message %d came as number %d", seed, i, next[side])
				}
				next[side]++
			}
		}
		if slices.Sort(loose); len(slices.Compact(loose)) != count {
			t.Errorf("%d of %d unordered messages", len(loose), count)
		}
		for i, e := range n.ends {
			if e.in.held != 0 || e.sender.inFlight != 0 || e.sender.lost != 0 || len(e.sender.flight) != 0 {
				t.Errorf("end %d holds %d bytes, %d in flight, %d lost", i, e.in.held, e.sender.inFlight, e.sender.lost)
			}
			for id, s := range e.sender.streams {
				if s.buffered != 0 {
					t.Errorf("%d bytes of stream %d are still there", s.buffered, id)
				}
			}
		}
	}
}

func TestLossyMessagesAreGivenUpAndHoldUpNothing(t *testing.T) {
	for seed := range uint64(8) {
		n := newNetwork(t, seed)
		n.connected()
		n.loss, n.jitter = 0.2, 5*time.Millisecond
		const count = 300
		for i := range count {
			n.send(0, 2, text(i, 200+i%3*1500), lossy)
			n.send(0, 1, text(i, 20), reliable)
			n.send(0, 4, text(i, 20), Reliability{Limited: true, Retransmissions: 1})
			for until := n.now.Add(5 * time.Millisecond); n.now.Before(until) && n.step(); {
			}
		}
		n.rest()
		by := map[uint16][]int{}
		for _, m := range n.ends[1].got {
			i, _ := parse(t, m)
			by[m.Stream] = append(by[m.Stream], i)
		}
		if len(by[1]) != count || !slices.IsSorted(by[1]) {
			t.Errorf("seed %d: %d reliable messages", seed, len(by[1]))
		}
		if n := len(by[2]); n < count/3 || n == count {
			t.Errorf("seed %d: %d of %d lossy messages", seed, n, count)
		}
		if n := len(by[4]); n < count*8/10 || !slices.IsSorted(by[4]) {
			t.Errorf("seed %d: %d messages that were sent twice", seed, n)
		}
		for i, e := range n.ends {
			if e.in.held != 0 || e.sender.inFlight != 0 || e.sender.lost != 0 || len(e.sender.flight) != 0 {
				t.Errorf("seed %d: end %d holds %d bytes, %d in flight, %d lost", seed, i, e.in.held, e.sender.inFlight, e.sender.lost)
			}
		}
	}
}

func TestAReceiverThatDoesNotConsumeHoldsUpTheSender(t *testing.T) {
	n := newNetwork(t, 1).connected()
	n.ends[1].keep = true
	for i := range 100 {
		n.send(0, 1, text(i, 10000), reliable)
	}
	for range 2000 {
		n.step()
	}
	if held := n.ends[1].in.held; held > n.ends[1].opts.Window+2*maxPacket {
		t.Errorf("holds %d bytes", held)
	}
	if err := n.ends[0].Err(); err != nil {
		t.Fatalf("given up: %v", err)
	}
	n.ends[1].keep = false
	for _, m := range n.ends[1].got {
		n.ends[1].Consumed(m, n.now)
	}
	n.until("all", func() bool { return len(n.ends[1].got) == 100 })
}

func TestAStreamIsResetWhenItsDataHasArrived(t *testing.T) {
	for seed := range uint64(10) {
		n := newNetwork(t, seed).connected()
		n.loss, n.jitter = 0.2, 20*time.Millisecond
		for i := range 20 {
			n.send(0, 6, text(i, 3000), reliable)
		}
		n.ends[0].ResetStream(6, n.now)
		n.until("reset", func() bool { return len(n.ends[1].closed) == 1 })
		if len(n.ends[1].got) != 20 || n.ends[1].closed[0] != 6 {
			t.Errorf("%d messages, reset %v", len(n.ends[1].got), n.ends[1].closed)
		}
		n.rest()
		n.send(0, 6, "again", reliable) // begins anew
		n.until("again", func() bool { return len(n.ends[1].got) == 21 })
	}
}

func TestATinyMessageIsNotHeldUpByALongQueue(t *testing.T) {
	n := newNetwork(t, 1).connected()
	for i := range 60 {
		n.send(0, 1, text(i, 60000), reliable)
	}
	n.send(0, 3, "quick", reliable)
	n.until("quick", func() bool { return slices.ContainsFunc(n.ends[1].got, func(m Message) bool { return m.Stream == 3 }) })
	if got := len(n.ends[1].got); got > 4 {
		t.Errorf("came as number %d", got)
	}
}

func TestAThroughputThatUsesTheWindow(t *testing.T) {
	n := newNetwork(t, 1).connected()
	begun := n.now
	for i := range 100 {
		n.send(0, 1, text(i, 50000), reliable)
	}
	n.until("all", func() bool { return len(n.ends[1].got) == 100 })
	// 5 MB with a round trip of 20 ms and a window of 256 KB: 20 rounds at least.
	if took := n.now.Sub(begun); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestPacketsOfOthersAreRefused(t *testing.T) {
	n := newNetwork(t, 1).connected()
	var last []byte
	n.dropNext = func(_ int, b []byte) bool { last = slices.Clone(b); return true }
	n.send(0, 1, "hello", reliable)
	bad := slices.Clone(last)
	bad[len(bad)-1] ^= 1
	wrongTag := slices.Clone(last)
	wrongTag[5] ^= 1
	binary.LittleEndian.PutUint32(wrongTag[8:], checksum(wrongTag))
	for name, b := range map[string][]byte{"checksum": bad, "tag": wrongTag, "short": last[:10], "empty": nil} {
		if err := n.ends[1].Handle(b, n.now); !errors.Is(err, ErrPacket) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := n.ends[1].Handle(last, n.now); err != nil || len(n.ends[1].got) != 1 {
		t.Errorf("%v, got %d", err, len(n.ends[1].got))
	}
}

func TestPacketsAreSaidToBeBrokenAfterWhatIsWhole(t *testing.T) {
	for name, c := range map[string]struct {
		tail string
		want error
	}{
		"nothing":               {"", nil},
		"padding":               {"\x00\x00", nil},
		"a kind nobody knows":   {"\xbf\x00\x00\x04", nil},
		"a chunk without end":   {"\x00\x00\x10\x00", ErrPacket},
		"a chunk without begin": {"\x00\x00\x00\x03", ErrPacket},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, 1).connected()
			var last []byte
			n.dropNext = func(_ int, b []byte) bool { last = slices.Clone(b); return true }
			n.send(0, 1, "hell", reliable)
			last = append(last, c.tail...)
			binary.LittleEndian.PutUint32(last[8:], checksum(last))
			if err := n.ends[1].Handle(last, n.now); !errors.Is(err, c.want) || len(n.ends[1].got) != 1 {
				t.Errorf("%v, got %d", err, len(n.ends[1].got))
			}
		})
	}
}

func TestMessagesThatAreTooLongEndTheAssociation(t *testing.T) {
	for name, r := range map[string]Reliability{"ordered": reliable, "unordered": unordered} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, 1).connected()
			n.send(0, 1, text(0, 70000), r)
			n.rest()
			if err := n.ends[1].Err(); !errors.Is(err, ErrMessage) {
				t.Errorf("got %v", err)
			}
			if err := n.ends[0].Err(); !errors.Is(err, ErrAborted) {
				t.Errorf("the other side: %v", err)
			}
		})
	}
}

func TestSendingAllocatesLittle(t *testing.T) {
	n := newNetwork(t, 1).connected()
	a := n.ends[0].Association
	a.out.write = func([]byte) {}
	payload := make([]byte, 200)
	a.sender.cwnd, a.sender.peerWindow = 1<<30, 1<<30
	if got := testing.AllocsPerRun(200, func() { _ = a.Send(1, 51, payload, reliable, n.now) }); got > 4 {
		t.Errorf("%v allocations for a message", got)
	}
}

func parse(t *testing.T, m Message) (i, size int) {
	t.Helper()
	for at, field := 0, 0; at < len(m.Payload) && field < 2; at++ {
		switch c := m.Payload[at]; {
		case c == ':':
			field++
		case field == 0:
			i = 10*i + int(c-'0')
		default:
			size = 10*size + int(c-'0')
		}
	}
	return i, size
}

func FuzzHandle(f *testing.F) {
	var seeds [][]byte
	n := newNetwork(f, 1)
	n.dropNext = func(_ int, b []byte) bool { seeds = append(seeds, slices.Clone(b)); return false }
	n.connected()
	for i := range 5 {
		n.send(0, 1, text(i, 3000), reliable)
		n.send(0, 2, text(i, 3000), lossy)
	}
	n.ends[0].ResetStream(1, n.now)
	n.rest()
	for _, b := range seeds {
		f.Add(b[packetHeader:])
	}
	f.Fuzz(func(t *testing.T, chunks []byte) {
		n := newNetwork(t, 1).connected()
		e := n.ends[1]
		n.ends[1].Write(e.tag, chunks, n)
		n.ends[1].Write(0, chunks, n)
		for range 50 {
			n.step()
		}
		if e.in.held > 3*e.opts.Window {
			t.Errorf("holds %d bytes", e.in.held)
		}
	})
}

// Write hands chunks to an end as if the other side had sent them, each at a time
// and all together.
func (e *end) Write(tag uint32, chunks []byte, n *network) {
	deliver := func(b []byte) {
		p := make([]byte, packetHeader, packetHeader+len(b))
		binary.BigEndian.PutUint32(p[4:], tag)
		p = append(p, b...)
		binary.LittleEndian.PutUint32(p[8:], checksum(p))
		_ = e.Handle(p, n.now)
		e.Tick(e.Deadline())
	}
	deliver(chunks)
	for rest := chunks; ; {
		_, more, ok := nextChunk(rest)
		if !ok {
			return
		}
		deliver(rest[:len(rest)-len(more)])
		rest = more
	}
}

// What is sent again and again on channels takes the memory of what has arrived.
func TestMessagesAreSentInTheMemoryOfOthers(t *testing.T) {
	n := newNetwork(t, 1)
	n.ends[0].Connect(n.now)
	n.until("established", func() bool { return n.ends[0].Established() && n.ends[1].Established() })
	want := ""
	for i := range 100 {
		text := strings.Repeat(string(rune('a'+i%26)), 1+i*37%2000)
		n.send(0, uint16(i%3), text, reliable)
		want += text
		if i%7 == 0 {
			n.rest()
		}
	}
	n.rest()
	byStream := map[uint16]string{}
	got := 0
	for _, m := range n.ends[1].got {
		byStream[m.Stream] += string(m.Payload)
		got += len(m.Payload)
	}
	if got != len(want) {
		t.Errorf("%d bytes arrived of %d", got, len(want))
	}
	for id, text := range byStream {
		all := ""
		for i := int(id); i < 100; i += 3 {
			all += strings.Repeat(string(rune('a'+i%26)), 1+i*37%2000)
		}
		if text != all {
			t.Errorf("stream %d is not what was sent", id)
		}
	}
	n.send(0, 1, "short", reliable)
	n.rest()
	o := &n.ends[0].sender
	if len(o.spare) == 0 || len(o.spare) > maxSpare {
		t.Errorf("%d are kept", len(o.spare))
	}
	for _, m := range o.spare {
		if cap(m.b) > maxSpareBytes || m.stream != nil {
			t.Errorf("kept: %d bytes of stream %v", cap(m.b), m.stream)
		}
	}
}
