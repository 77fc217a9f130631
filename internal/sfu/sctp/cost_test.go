package sctp

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// chunkOf is a DATA chunk with one byte of a message.
func chunkOf(tsn uint32, stream, ssn uint16, flags uint8) []byte {
	b := binary.BigEndian.AppendUint32(nil, tsn)
	b = binary.BigEndian.AppendUint16(b, stream)
	b = binary.BigEndian.AppendUint16(b, ssn)
	b = binary.BigEndian.AppendUint32(b, 51)
	return appendChunk(nil, chunkData, flags, append(b, 'x'))
}

// sackOf acknowledges up to a TSN, and blocks of what follows it.
func sackOf(cum uint32, blocks ...[2]uint16) []byte {
	b := binary.BigEndian.AppendUint32(nil, cum)
	b = binary.BigEndian.AppendUint32(b, 1<<20)
	b = binary.BigEndian.AppendUint16(b, uint16(len(blocks)))
	b = append(b, 0, 0)
	for _, block := range blocks {
		b = binary.BigEndian.AppendUint16(b, block[0])
		b = binary.BigEndian.AppendUint16(b, block[1])
	}
	return appendChunk(nil, chunkSack, 0, b)
}

// packets delivers chunks to an end, many in each packet.
func (e *end) packets(n *network, chunks ...[]byte) {
	for len(chunks) > 0 {
		b := make([]byte, packetHeader)
		binary.BigEndian.PutUint32(b[4:], e.tag)
		for len(chunks) > 0 && len(b)+len(chunks[0]) <= 16000 {
			b, chunks = append(b, chunks[0]...), chunks[1:]
		}
		binary.LittleEndian.PutUint32(b[8:], checksum(b))
		_ = e.Handle(b, n.now)
	}
}

// alone returns an end of an association whose other end is the test.
func alone(t *testing.T) (*network, *end) {
	n := newNetwork(t, 1)
	for _, e := range n.ends {
		e.opts.Window, e.in.opts.Window = 1<<20, 1<<20
	}
	n.connected()
	n.dropNext = func(int, []byte) bool { return true }
	return n, n.ends[1]
}

// grows fails the test if what make returns costs much more than eight times as much
// for eight times as many.
func grows(t *testing.T, few int, make func(n int) func()) {
	t.Helper()
	cost := func(n int) time.Duration {
		best := time.Hour
		for range 7 {
			run := make(n)
			begun := time.Now()
			run()
			best = min(best, time.Since(begun))
		}
		return best
	}
	small, large := cost(few), cost(8*few)
	if large > 24*small {
		t.Errorf("%d cost %v, %d cost %v", few, small, 8*few, large)
	}
}

// Messages that wait for one that is missing.
func TestMessagesThatWaitedAreGivenOutInOneGo(t *testing.T) {
	whole := uint8(flagBegin | flagEnd)
	wait := func(count int) (*network, *end, uint32) {
		n, e := alone(t)
		missing := e.in.cum + 1
		chunks := make([][]byte, 0, count)
		for i := 1; i <= count; i++ {
			chunks = append(chunks, chunkOf(missing+uint32(i), 7, uint16(i), whole))
		}
		e.packets(n, chunks...)
		return n, e, missing
	}
	for name, come := range map[string]func(missing uint32, count int) []byte{
		"it comes": func(missing uint32, _ int) []byte { return chunkOf(missing, 7, 0, whole) },
		"it is given up": func(missing uint32, count int) []byte {
			b := binary.BigEndian.AppendUint32(nil, missing+uint32(count))
			b = binary.BigEndian.AppendUint16(b, 7)
			return appendChunk(nil, chunkForwardTSN, 0, binary.BigEndian.AppendUint16(b, uint16(count)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			grows(t, 500, func(count int) func() {
				n, e, missing := wait(count)
				return func() {
					e.packets(n, come(missing, count))
					if len(e.got) < count {
						t.Fatalf("got %d", len(e.got))
					}
				}
			})
		})
	}
}

// Who sends a message in tiny parts, the last one first, has few of them kept.
func TestFewPartsAreKept(t *testing.T) {
	n, e := alone(t)
	first := e.in.cum + 2
	for i := 3 * maxWaiting; i > 0; i-- {
		e.packets(n, chunkOf(first+uint32(i), 7, 0, flagUnordered))
	}
	if kept := len(e.in.streams[7].loose); kept != maxWaiting {
		t.Errorf("%d parts are kept", kept)
	}
	// What is missing is taken all the same.
	before := e.in.cum
	e.packets(n, chunkOf(before+1, 8, 0, flagBegin|flagEnd))
	if e.in.cum != before+1 || len(e.got) != 1 {
		t.Errorf("at %d after %d, %d messages", e.in.cum, before, len(e.got))
	}
}

// The other side may say for ever that one chunk is missing, and all that follow are there.
func TestAChunkThatIsMissingForEverHoldsUpTheRest(t *testing.T) {
	n, e := alone(t)
	for i := range 5 * maxFlight {
		if err := e.Send(1, 51, []byte("hello"), reliable, n.now); err != nil {
			t.Fatal(err)
		}
		if i%8 == 7 {
			e.packets(n, sackOf(e.sender.acked, [2]uint16{2, 0xffff}))
		}
	}
	if flight := len(e.sender.flight); flight != maxFlight {
		t.Errorf("%d chunks are kept", flight)
	}
	if held := e.Buffered(1); held < 5*(4*maxFlight) {
		t.Errorf("%d bytes wait", held)
	}
	e.packets(n, sackOf(e.sender.next-1))
	if flight := len(e.sender.flight); flight == 0 || flight > maxFlight {
		t.Errorf("then %d chunks are on their way", flight)
	}
}

func TestAnAcknowledgementCostsOneLookAtTheFlight(t *testing.T) {
	fly := func(count int) (*network, *end) {
		n, e := alone(t)
		e.sender.cwnd, e.sender.peerWindow = 1<<30, 1<<30
		for range count {
			_ = e.Send(1, 51, []byte("hello"), lossy, n.now)
		}
		return n, e
	}
	t.Run("many blocks", func(t *testing.T) {
		var blocks [][2]uint16
		for range 250 {
			blocks = append(blocks, [2]uint16{2, 0xffff})
		}
		cost := func(blocks ...[2]uint16) time.Duration {
			best := time.Hour
			for range 7 {
				n, e := fly(2000)
				begun := time.Now()
				e.packets(n, sackOf(e.sender.acked, blocks...))
				best = min(best, time.Since(begun))
			}
			return best
		}
		one, many := cost(blocks[0]), cost(blocks...)
		if many > 4*one {
			t.Errorf("one block costs %v, many cost %v", one, many)
		}
	})
	t.Run("all is given up", func(t *testing.T) {
		grows(t, 500, func(count int) func() {
			n, e := fly(count)
			return func() {
				e.Tick(n.now.Add(time.Minute))
				if got := e.sender.gaveUp(); got != count {
					t.Fatalf("%d are given up", got)
				}
			}
		})
	})
}

// A message in many parts is given up as a whole, and no other with it.
func TestAMessageIsGivenUpWithAllItsParts(t *testing.T) {
	n, e := alone(t)
	e.sender.cwnd, e.sender.peerWindow = 1<<30, 1<<30
	for i := range 3 {
		_ = e.Send(1, 51, []byte(text(i, 5*maxFragment)), lossy, n.now)
	}
	e.sender.lose(7) // of the second
	var dropped []int
	for i, c := range e.sender.flight {
		if c.m.dropped {
			dropped = append(dropped, i)
			if !c.lost {
				t.Errorf("part %d is still on its way", i)
			}
		}
	}
	if fmt.Sprint(dropped) != "[5 6 7 8 9]" {
		t.Errorf("given up: %v", dropped)
	}
	if e.sender.inFlight != 10*maxFragment {
		t.Errorf("%d bytes in flight", e.sender.inFlight)
	}
}
