package transport

import (
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
)

const (
	// arenaSize is what a reader gathers before it sends: some frames for as many
	// subscribers as one core can serve.
	arenaSize = 1 << 20
	// looseSize is enough for what is not sent by a reader: a report, a repetition, a
	// message to looseChains clients. What is for more leaves while the rest is made.
	looseSize   = 12 << 10
	looseChains = 32
	// wideSize is enough for what a wake-up of a Port brings: a frame, or a train.
	wideSize = 64 << 10

	// A train has at most so many packets and bytes. The kernel takes 64 of them,
	// and one IP packet's length; receivers are built for bursts of this size.
	maxTrain      = 48
	maxTrainBytes = 60000

	maxEntries = 2048

	// Browsers divide a frame into packets that differ by a byte, the shorter ones
	// first, and a train has packets of one size. So large packets get so many
	// bytes of padding (RFC 3550 §5.1) at most if that makes a train longer.
	maxPadding = 8
	minPadded  = 600 // bytes

	// Room is what a packet of AddRTP needs behind it.
	Room = srtp.MaxOverhead + maxPadding
)

// Batch gathers the packets that follow from one wake-up. It belongs to the
// goroutine that it is handed to.
type Batch struct {
	// Scratch is for sealing packets into the batch.
	Scratch srtp.Scratch

	pool    *sync.Pool // where it was borrowed; nil for a reader's
	reader  int        // which socket of an address it sends through, -1 for a loose one
	marker  int        // which of a path's marks are its own, -1: none
	round   uint32     // counts flushes; never 0
	arena   []byte
	used    int
	entries []entry
	chains  []chain
	out     outbox
}

// entry is a packet in the arena.
type entry struct {
	off, n int32 // n as it is sent, without padding that is to come
	next   int32 // of the same destination, -1 for none

	// Of RTP that is still to be sealed.
	sealer *srtp.Sealer // else nil
	index  uint64
	header int32
	pad    int32
}

// mayGrow says whether the packet can be padded.
func (e *entry) mayGrow(b *Batch) bool {
	return e.sealer != nil && e.n >= minPadded && b.arena[e.off]&hasPadding == 0
}

// hasPadding is the flag P of an RTP header.
const hasPadding = 1 << 5

// chain is what goes to one destination, in order.
type chain struct {
	path        *Path
	first, last int32
}

// newBatch returns the batch of a reader: that of a member of its address, and with a
// number among the readers of all addresses.
func newBatch(member, number, size int) *Batch {
	b := &Batch{reader: member, marker: number, round: 1, arena: make([]byte, size)}
	if number >= maxMarks {
		b.marker = -1
	}
	return b
}

var loose, wide = pool(looseSize), pool(wideSize)

func pool(size int) *sync.Pool {
	p := &sync.Pool{}
	p.New = func() any {
		b := newBatch(-1, -1, size)
		b.pool = p
		return b
	}
	return p
}

// Borrow returns a Batch for packets that no wake-up of a reader brought.
// Return sends what is in it.
func Borrow() *Batch { return loose.Get().(*Batch) }

// BorrowWide is Borrow for what a wake-up of a Port brought.
func BorrowWide() *Batch { return wide.Get().(*Batch) }

// Return sends what is in a borrowed Batch, which must not be used after it.
func (b *Batch) Return() {
	b.Flush()
	b.pool.Put(b)
}

// Reserve returns room for n bytes, valid until the next call. What is in the
// batch may be sent to make room.
func (b *Batch) Reserve(n int) []byte {
	if b.used+n > len(b.arena) || len(b.entries) == maxEntries || b.reader < 0 && len(b.chains) == looseChains {
		b.Flush()
		if n > len(b.arena) {
			b.arena = make([]byte, n)
		}
	}
	return b.arena[b.used : b.used+n : b.used+n]
}

// Add sends what lies in the first n bytes of the room reserved last, with the
// batch.
func (b *Batch) Add(p *Path, n int) {
	b.add(p, entry{n: int32(n)})
	b.used += n
}

// AddRTP sends the packet in the first n bytes of the room reserved last, which
// has Room behind it, with the batch, and seals it then. Its first header bytes
// are its header.
func (b *Batch) AddRTP(p *Path, s *srtp.Sealer, n, header int, index uint64) {
	b.add(p, entry{n: int32(n + s.Overhead()), sealer: s, header: int32(header), index: index})
	b.used += n + Room
}

func (b *Batch) add(p *Path, e entry) {
	i := int32(len(b.entries))
	e.off, e.next = int32(b.used), -1
	b.entries = append(b.entries, e)
	if c := b.chainOf(p); c != nil {
		b.entries[c.last].next = i
		c.last = i
		return
	}
	if b.marker >= 0 && p.stream == nil {
		p.marks[b.marker] = uint64(b.round)<<32 | uint64(len(b.chains))
	}
	b.chains = append(b.chains, chain{path: p, first: i, last: i})
}

func (b *Batch) chainOf(p *Path) *chain {
	if b.marker >= 0 && p.stream == nil {
		// Only this reader reads and writes its mark.
		mark := p.marks[b.marker]
		if uint32(mark>>32) != b.round {
			return nil
		}
		return &b.chains[uint32(mark)]
	}
	for i := range b.chains {
		if b.chains[i].path == p {
			return &b.chains[i]
		}
	}
	return nil
}

// Flush sends what is in the batch. It is sent by the end of the wake-up
// anyhow.
func (b *Batch) Flush() {
	if len(b.chains) > 0 {
		b.send()
		clear(b.chains) // a batch in the pool must not keep connections
		clear(b.entries)
	}
	b.entries, b.chains, b.used = b.entries[:0], b.chains[:0], 0
	if b.round++; b.round == 0 {
		b.round = 1
	}
}

func (b *Batch) send() {
	var s *socket
	for i := range b.chains {
		c := &b.chains[i]
		if c.path.stream != nil {
			for at := c.first; at >= 0; at = b.entries[at].next {
				b.seal(at)
				c.path.stream.write(b.bytes(at))
			}
			continue
		}
		if s != nil && c.path.share.sock != s {
			s.send(b)
		}
		s = c.path.share.sock
		b.queue(c)
	}
	if s != nil {
		s.send(b)
	}
}

func (b *Batch) bytes(i int32) []byte {
	e := &b.entries[i]
	return b.arena[e.off : e.off+e.n]
}

// seal makes a packet what is sent.
func (b *Batch) seal(i int32) {
	e := &b.entries[i]
	if e.sealer == nil {
		return
	}
	n := e.n - int32(e.sealer.Overhead())
	raw := b.arena[e.off : e.off+n : e.off+n+Room]
	if e.pad > 0 {
		var padding [maxPadding]byte
		padding[e.pad-1] = byte(e.pad)
		raw[0] |= hasPadding
		raw = append(raw, padding[:e.pad]...)
	}
	e.n = int32(len(e.sealer.RTP(&b.Scratch, raw, int(e.header), e.index)))
	e.sealer = nil
}

// queue divides a chain into trains: packets of one size, of which the last may
// be shorter. The order of packets never changes.
func (b *Batch) queue(c *chain) {
	for at := c.first; at >= 0; {
		count, size, end := b.train(at, b.longest(c.path))
		for i, left := at, count; left > 0; i, left = b.entries[i].next, left-1 {
			if e := &b.entries[i]; left > 1 {
				e.pad = size - e.n
			}
			b.seal(i)
		}
		b.out.add(b, c.path, at, count)
		at = end
	}
}

// train returns how many packets from one on go out together, padded to what
// size but for the last, and which packet is next.
func (b *Batch) train(at int32, longest int) (count int, size, end int32) {
	first := &b.entries[at]
	size, count, end = first.n, 1, first.next
	smallest, grows := first.n, first.mayGrow(b) // of the train so far
	for end >= 0 && count < longest {
		e := &b.entries[end]
		larger := max(size, e.n)
		if e.n > size && (!grows || e.n-smallest > maxPadding) || larger*int32(count+1) > maxTrainBytes {
			break
		}
		size, count, end = larger, count+1, e.next
		if e.n < size && (!e.mayGrow(b) || size-e.n > maxPadding) {
			break
		}
		smallest, grows = min(smallest, e.n), grows && e.mayGrow(b)
	}
	return count, size, end
}

// longest is how many packets a train to p may have.
func (b *Batch) longest(p *Path) int {
	if p.share.sock.trains() {
		return maxTrain
	}
	return 1
}
