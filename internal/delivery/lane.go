package delivery

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

// laneKey names what is kept in order: a room by its name, so that
// room_finished of one session precedes room_started of the next; and what
// belongs to no room by itself.
type laneKey struct {
	kind laneKind
	name string
}

type laneKind byte

// The kinds are stored in cursors: their letters do not change.
const (
	eventLane       laneKind = 'v' // of a parallel endpoint: one event
	batchLane       laneKind = 'b' // of a batching endpoint: all events
	roomLane        laneKind = 'r'
	participantLane laneKind = 'p'
	egressLane      laneKind = 'e'
	ingressLane     laneKind = 'i'
	commonLane      laneKind = 'c'
)

// laneOf returns the lane of rec.
func laneOf(rec *event.Record) laneKey {
	switch {
	case rec.Room != "":
		return laneKey{roomLane, rec.Room}
	case rec.ParticipantSID != "":
		return laneKey{participantLane, rec.ParticipantSID}
	}
	// Rare: an egress or ingress of no room is known by its payload only.
	if w, err := rec.Webhook(); err == nil {
		if id := w.GetEgressInfo().GetEgressId(); id != "" {
			return laneKey{egressLane, id}
		}
		if id := w.GetIngressInfo().GetIngressId(); id != "" {
			return laneKey{ingressLane, id}
		}
	}
	return laneKey{kind: commonLane}
}

// layout is how an endpoint's events are laid out in lanes.
type layout string

const (
	byRoom  layout = ""
	byEvent layout = "event"
	inOne   layout = "one"
)

func layoutOf(e *Endpoint) layout {
	switch {
	case e.Mode == Parallel:
		return byEvent
	case e.Batch.Max > 1:
		return inOne
	default:
		return byRoom
	}
}

// key returns the lane of an entry in this layout.
func (o layout) key(e *entry) laneKey {
	switch o {
	case byEvent:
		return laneKey{eventLane, strconv.FormatUint(e.rec.Seq, 10)}
	case inOne:
		return laneKey{kind: batchLane, name: "all"}
	default:
		return e.lane
	}
}

// item is one record that waits in a lane.
type item struct {
	seq  uint64
	prev uint64 // the record before it in this lane, 0 if not known
	time int64  // when it happened, µs since 1970
	// tries are attempts that were made before it was the head.
	tries int
	rec   *event.Record // nil when it has to be read from the log again
}

// lane is the queue of one room at one endpoint; its endpoint's loop owns it.
//
//	ready    in the endpoint's fresh or retry queue
//	waiting  in its heap of timers
//	flying   its head is being sent
//	hungry   its window is empty and has to be filled from the log
type lane struct {
	key   laneKey
	items []item
	// scanned: every record of the lane up to it is in items or done.
	scanned uint64
	// overflow: the log holds, or may hold, more of the lane between scanned
	// and the endpoint's scan position.
	overflow bool
	skipped  int // how many more, as far as seen

	tail uint64 // the newest record that was ever in items, 0 if not known

	flying bool
	// trial: the next attempt is at the event behind the head.
	trial bool
	// unsifted: the filter changed while the head was flying.
	unsifted bool
	hungry   bool // in the endpoint's list of windows to fill
	timer    int  // index in the heap of timers, -1 outside
	due      time.Time
	held     bool // due is the receiver's own Retry-After

	// Of the head:
	attempts     int
	failures     int // of them, since this process has it: from the second on lastSuccess is of this head
	step         int // position in the retry policy's gaps
	firstFailure time.Time
	refusals     int       // answered failures since the receiver was last seen down
	refusedSince time.Time // first of these
	disproved    int       // how often the next event was refused too
	downs        int       // the endpoint's, at the last failure
	refusedAlone int       // failures before which the endpoint had accepted other lanes' events
	lastSuccess  uint64    // the endpoint's successes at the last failure
	staleRetried bool      // a dead keep-alive connection was already excused
	complained   complaint
	reason       string // of the last failure
	// outrun: the event behind the head may have been accepted, nobody knows.
	outrun bool

	// Of a batching endpoint:
	size      int       // how many events the next request holds at most
	searching bool      // batches are halved to find the event that is refused
	ripe      time.Time // when what has gathered goes
}

// complaint is the last log line that was written about a head.
type complaint uint8

const (
	noComplaint complaint = iota
	aloneComplaint
	overdueComplaint
)

func (l *lane) head() *item { return &l.items[0] }

// missing is which item an errMissing is about: the head, unless it says another.
func (l *lane) missing(err error) int {
	gone, ok := errors.AsType[*missingError](err)
	if !ok {
		return 0
	}
	return max(slices.IndexFunc(l.items, func(it item) bool { return it.seq == gone.seq }), 0)
}

// pop removes the head, which is done.
func (l *lane) pop() {
	l.items[0] = item{}
	if l.items = l.items[1:]; len(l.items) == 0 {
		l.items = nil
	}
	l.attempts, l.failures, l.step, l.firstFailure = 0, 0, 0, time.Time{}
	l.refusals, l.refusedSince, l.disproved = 0, time.Time{}, 0
	l.refusedAlone, l.staleRetried, l.complained = 0, false, noComplaint
	l.trial, l.outrun = false, false
	if len(l.items) > 0 {
		l.attempts = l.items[0].tries
	}
}

// laneQueue is a first-in, first-out queue of lanes.
type laneQueue struct {
	lanes []*lane
	head  int
}

func (q *laneQueue) len() int { return len(q.lanes) - q.head }

func (q *laneQueue) push(l *lane) {
	q.lanes = append(q.lanes, l)
}

func (q *laneQueue) pop() *lane {
	l := q.lanes[q.head]
	q.lanes[q.head] = nil
	q.head++
	if q.head == len(q.lanes) {
		q.lanes, q.head = q.lanes[:0], 0
	} else if q.head >= 1024 && q.head*2 >= len(q.lanes) {
		n := copy(q.lanes, q.lanes[q.head:])
		clear(q.lanes[n:])
		q.lanes, q.head = q.lanes[:n], 0
	}
	return l
}

func (l *lane) at() time.Time { return l.due }
func (l *lane) place() *int   { return &l.timer }

// previous remembers the newest sequence number of the lanes seen last, in two
// generations: bounded, and good enough for a courtesy to the receiver.
type previous struct {
	young, old map[laneKey]uint64
	limit      int
}

func newPrevious(limit int) *previous {
	return &previous{young: make(map[laneKey]uint64), limit: limit}
}

func (p *previous) of(key laneKey) uint64 {
	if seq, ok := p.young[key]; ok {
		return seq
	}
	return p.old[key]
}

func (p *previous) set(key laneKey, seq uint64) {
	if len(p.young) >= p.limit {
		p.young, p.old = make(map[laneKey]uint64), p.young
	}
	p.young[key] = seq
}
