package soak

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// verdict is what a run came to.
type verdict struct {
	Deaths    int
	Committed uint64 // events in the log
	Durable   uint64 // of them reported durable before a death
	Delivered int    // accepted, each event once for each receiver
	// Lost events were reported durable or delivered, and are not in the log,
	// or are in it and were passed over in delivery.
	Lost int
	// Disorder counts places at which an order was broken.
	Disorder int
	// Repeats were delivered again because a death or a broken connection took
	// the answer along; Unexplained for no reason.
	Repeats, Unexplained int
	// Slowest is the longest from a start until all was closed.
	Slowest time.Duration
}

// add counts another run as part of this one.
func (v *verdict) add(w verdict) {
	v.Deaths += w.Deaths
	v.Committed += w.Committed
	v.Durable += w.Durable
	v.Delivered += w.Delivered
	v.Lost += w.Lost
	v.Disorder += w.Disorder
	v.Repeats += w.Repeats
	v.Unexplained += w.Unexplained
	v.Slowest = max(v.Slowest, w.Slowest)
}

// judge holds the lives to what was seen of them. Between death and the next
// settled its caller is the only one; witness methods lock for themselves.
type judge struct {
	mu       sync.Mutex
	verdict  verdict
	problems []string

	life     int
	last     uint64            // of the records known
	promised uint64            // the highest seq that was reported durable
	id       string            // of the last record
	chain    [sha256.Size]byte // over all records, or those up to upTo
	upTo     uint64
	sessions map[string]*life
	rooms    map[string]*room
	places   map[string]place // by id, of recent records
	views    []*view
	isSealed bool // the victim is dead: what it still says is not heard
	// settledLife is the last one that settled, -1 at first.
	settledLife int
}

// life is a room session of the log, or a participant or track in it.
type life struct {
	seq  uint64
	open map[string]bool // participants and tracks by sid
}

// room is what the log has of a room's name, from base on.
type room struct {
	base   int
	places []string // ids
}

type place struct {
	room *room
	at   int
	seq  uint64
	body [sha256.Size]byte
}

// view is what one receiver got.
type view struct {
	name     string
	waiting  []arrival // of records that are not known yet
	next     map[*room]int
	accepted map[string]acceptance // of recent events
}

type arrival struct {
	webhooksink.Delivery
	life int
}

type acceptance struct {
	life   int
	broken bool // the answer may not have arrived
}

func newJudge(receivers ...string) *judge {
	j := &judge{sessions: map[string]*life{}, rooms: map[string]*room{}, places: map[string]place{}, settledLife: -1}
	for _, name := range receivers {
		j.views = append(j.views, &view{name: name, next: map[*room]int{}, accepted: map[string]acceptance{}})
	}
	return j
}

func (j *judge) complain(count *int, format string, args ...any) {
	*count++
	if len(j.problems) < 20 {
		j.problems = append(j.problems, fmt.Sprintf("life %d: ", j.life)+fmt.Sprintf(format, args...))
	}
}

// durable is part of witness.
func (j *judge) durable(seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.isSealed {
		j.promised = max(j.promised, seq)
	}
}

// seal stops the judge from hearing a victim that is dead.
func (j *judge) seal(sealed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.isSealed = sealed
}

// record is part of witness.
func (j *judge) record(r *event.Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.isSealed {
		return
	}
	if r.Seq != j.last+1 {
		j.complain(&j.verdict.Disorder, "record %d comes after record %d", r.Seq, j.last)
	}
	if r.ID <= j.id {
		j.complain(&j.verdict.Disorder, "record %d has id %s after %s", r.Seq, r.ID, j.id)
	}
	j.last, j.id = r.Seq, r.ID
	if j.upTo == 0 || r.Seq <= j.upTo {
		j.chain = link(j.chain, r)
	}
	j.follow(r)

	name := j.rooms[r.Room]
	if name == nil {
		name = &room{}
		j.rooms[r.Room] = name
	}
	j.places[r.ID] = place{name, name.base + len(name.places), r.Seq, sha256.Sum256(r.Body)}
	name.places = append(name.places, r.ID)
}

// link adds a record to the chain of hashes over the log.
func link(chain [sha256.Size]byte, r *event.Record) [sha256.Size]byte {
	var b bytes.Buffer
	b.Write(chain[:])
	fmt.Fprintf(&b, "%d %d %s %s %q %s %s %s %q %t %d ", r.Seq, r.RoomSeq, r.ID, r.Name, r.Room, r.RoomSID, r.ParticipantSID, r.TrackSID,
		r.Reason, r.Synthesized, r.Committed.UnixMicro())
	b.Write(r.Body)
	return sha256.Sum256(b.Bytes())
}

// follow holds the record to the story of its session.
func (j *judge) follow(r *event.Record) {
	s := j.sessions[r.RoomSID]
	if s == nil {
		s = &life{open: map[string]bool{}}
		j.sessions[r.RoomSID] = s
		if r.Name != event.RoomStarted {
			j.complain(&j.verdict.Disorder, "record %d (%s): session %s did not start, or is over", r.Seq, r.Name, r.RoomSID)
		}
	}
	if s.seq++; r.RoomSeq != s.seq {
		j.complain(&j.verdict.Disorder, "record %d (%s): place %d of session %s, want %d", r.Seq, r.Name, r.RoomSeq, r.RoomSID, s.seq)
	}
	opens, closes := "", ""
	switch r.Name {
	case event.ParticipantJoined:
		opens = r.ParticipantSID
	case event.TrackPublished:
		opens = r.TrackSID
	case event.ParticipantLeft:
		closes = r.ParticipantSID
	case event.TrackUnpublished:
		closes = r.TrackSID
	case event.RoomFinished:
		for sid := range s.open {
			j.complain(&j.verdict.Disorder, "record %d: session %s is over and %s is not", r.Seq, r.RoomSID, sid)
		}
		delete(j.sessions, r.RoomSID)
	}
	if opens != "" && s.open[opens] || closes != "" && !s.open[closes] {
		j.complain(&j.verdict.Disorder, "record %d (%s): of %s%s a second time", r.Seq, r.Name, opens, closes)
	}
	if opens != "" {
		s.open[opens] = true
	}
	delete(s.open, closes)
}

// settled is part of witness: what was promised has to be there now.
func (j *judge) settled(last uint64, after time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.isSealed {
		return
	}
	if j.last != last {
		j.complain(&j.verdict.Lost, "the log ends at %d and was read to %d", last, j.last)
	}
	if j.promised > last {
		j.complain(&j.verdict.Lost, "%d was durable and the log ends at %d", j.promised, last)
	}
	for sid, s := range j.sessions {
		for open := range s.open {
			j.complain(&j.verdict.Disorder, "%s of %s outlived the death", open, sid)
		}
	}
	j.verdict.Durable = max(j.verdict.Durable, j.promised)
	j.verdict.Committed = j.last
	j.verdict.Slowest = max(j.verdict.Slowest, after)
	for _, v := range j.views {
		waiting := v.waiting
		v.waiting = nil
		for i := range waiting {
			if _, ok := j.places[waiting[i].ID()]; !ok {
				j.complain(&j.verdict.Lost, "%s got %s %s, which is not in the log", v.name, waiting[i].Name(), waiting[i].ID())
				continue
			}
			j.see(v, &waiting[i])
		}
	}
	j.prune()
	j.settledLife = j.life
}

// died takes what each receiver got in this life.
func (j *judge) died(got ...[]webhooksink.Delivery) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, v := range j.views {
		for _, d := range got[i] {
			a := arrival{d, j.life}
			switch _, known := j.places[d.ID()]; {
			case d.Invalid != "":
				j.complain(&j.verdict.Disorder, "%s got what does not verify: %s", v.name, d.Invalid)
			case known && len(v.waiting) == 0:
				j.see(v, &a)
			default:
				v.waiting = append(v.waiting, a)
			}
		}
	}
	j.verdict.Deaths++
	j.life++
}

// see holds one delivery to the order of its room.
func (j *judge) see(v *view, a *arrival) {
	p := j.places[a.ID()]
	if sha256.Sum256(a.Body) != p.body || a.Header.Get("Rollcall-Seq") != fmt.Sprint(p.seq) {
		j.complain(&j.verdict.Disorder, "%s got %s with another body or place", v.name, a.ID())
	}
	if gap := a.Header.Get("Rollcall-Gap"); gap != "" {
		j.complain(&j.verdict.Lost, "%s was told that %s was left behind", v.name, gap)
	}
	next := v.next[p.room]
	before, again := v.accepted[a.ID()]
	switch {
	case p.at > next:
		j.complain(&j.verdict.Lost, "%s got record %d of a room before %d others", v.name, p.seq, p.at-next)
		next = p.at
	case p.at == next:
	case again && (before.broken || before.life < a.life):
		j.verdict.Repeats++
	default:
		j.complain(&j.verdict.Unexplained, "%s got record %d again in the same life", v.name, p.seq)
	}
	if !a.Accepted() {
		return
	}
	if p.at == next {
		v.next[p.room] = next + 1
		j.verdict.Delivered++
	}
	v.accepted[a.ID()] = acceptance{a.life, a.Fault.ResetAfter}
}

// keep is how many places of a room are remembered behind the last delivered.
const keep = 1000

// prune forgets what no delivery can be of any more.
func (j *judge) prune() {
	for _, r := range j.rooms {
		done := r.base + len(r.places)
		for _, v := range j.views {
			done = min(done, v.next[r])
		}
		for r.base < done-keep {
			id := r.places[0]
			delete(j.places, id)
			for _, v := range j.views {
				delete(v.accepted, id)
			}
			r.places = r.places[1:]
			r.base++
		}
	}
}

// outstanding returns how many deliveries are still to come.
func (j *judge) outstanding() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.rooms {
		for _, v := range j.views {
			n += r.base + len(r.places) - v.next[r]
		}
	}
	return n
}

// missing returns how many deliveries v still lacks after more was accepted.
func (j *judge) missing(v *view, more []webhooksink.Delivery) (n int) {
	got := make(map[string]bool, len(more))
	for i := range more {
		got[more[i].ID()] = true
	}
	for _, r := range j.rooms {
		for at := v.next[r]; at < r.base+len(r.places); at++ {
			if !got[r.places[at-r.base]] {
				n++
			}
		}
	}
	return n
}
