package sctp

import (
	"encoding/binary"
	"slices"
	"time"
)

// Parameters of RE-CONFIG, RFC 6525 §4.
const (
	paramOutgoingReset = 13
	paramResponse      = 16
)

// Results, RFC 6525 §4.4.
const (
	resultNothing    = 0
	resultPerformed  = 1
	resultDenied     = 2
	resultInProgress = 6
	resultBadNumber  = 5
)

// resets is the closing of streams, both ways.
type resets struct {
	// Ours: one request at a time.
	request uint32   // number of the request
	streams []uint16 // in it
	waiting []uint16 // for the next one
	send    bool
	tries   int
	again   time.Time // when it is sent again

	// Theirs.
	expected uint32 // number of their next request
	pending  *resetRequest
	answered bool // there was one before expected
	result   uint32
}

// resetRequest is one of theirs that waits for data sent before it.
type resetRequest struct {
	number, last uint32
	streams      []uint16
}

// ResetStream closes our half of a stream, once what was sent on it has arrived.
func (a *Association) ResetStream(id uint16, now time.Time) {
	if a.state == ended {
		return
	}
	s := a.sender.streams[id]
	if s == nil {
		s = &outgoing{id: id}
		a.sender.streams[id] = s
	}
	if !s.closing {
		s.closing = true
		a.resets.waiting = append(a.resets.waiting, id)
	}
	a.pump(now)
}

// sendResets asks for what can be reset: streams with nothing on its way.
func (a *Association) sendResets(now time.Time) {
	r := &a.resets
	if len(r.streams) == 0 && len(r.waiting) > 0 {
		r.waiting = slices.DeleteFunc(r.waiting, func(id uint16) bool {
			if s := a.sender.streams[id]; s != nil && s.buffered > 0 || len(r.streams) >= 64 {
				return false
			}
			r.streams = append(r.streams, id)
			return true
		})
		r.send = len(r.streams) > 0
		r.tries = 0
	}
	if !r.send {
		return
	}
	r.send = false
	if r.tries++; r.tries > maxTries {
		r.done(a)
		return
	}
	b := binary.BigEndian.AppendUint32(nil, r.request)
	b = binary.BigEndian.AppendUint32(b, r.expected-1)
	b = binary.BigEndian.AppendUint32(b, a.sender.next-1)
	for _, id := range r.streams {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	a.out.chunk(chunkReconfig, 0, appendParam(nil, paramOutgoingReset, b))
	r.again = now.Add(a.sender.rto)
}

// done forgets the streams of our request: their numbers begin anew.
func (r *resets) done(a *Association) {
	for _, id := range r.streams {
		delete(a.sender.streams, id)
		a.sender.recent = nil
	}
	r.streams, r.again, r.tries = nil, time.Time{}, 0
	r.request++
}

// handleReconfig takes requests and responses, RFC 6525 §5.2.
func (a *Association) handleReconfig(b []byte) {
	for {
		kind, value, rest, ok := nextParam(b)
		if !ok {
			return
		}
		switch {
		case kind == paramResponse && len(value) >= 8:
			a.handleResponse(binary.BigEndian.Uint32(value), binary.BigEndian.Uint32(value[4:]))
		case kind == paramOutgoingReset && len(value) >= 12:
			a.handleResetRequest(value)
		case kind != paramResponse && len(value) >= 4:
			a.respond(binary.BigEndian.Uint32(value), resultDenied)
		}
		b = rest
	}
}

func (a *Association) handleResponse(number, result uint32) {
	r := &a.resets
	if len(r.streams) == 0 || number != r.request {
		return
	}
	if result == resultInProgress {
		r.tries = 0 // ask again in a while
		return
	}
	r.done(a)
}

func (a *Association) handleResetRequest(b []byte) {
	r := &a.resets
	number := binary.BigEndian.Uint32(b)
	switch {
	case r.pending != nil && number == r.pending.number:
		a.respond(number, resultInProgress)
		return
	case number == r.expected-1 && r.answered:
		a.respond(number, r.result) // our answer was lost
		return
	case number != r.expected:
		a.respond(number, resultBadNumber)
		return
	}
	request := &resetRequest{number: number, last: binary.BigEndian.Uint32(b[8:])}
	for ids := b[12:]; len(ids) >= 2; ids = ids[2:] {
		request.streams = append(request.streams, binary.BigEndian.Uint16(ids))
	}
	r.pending = request
	if a.maybeReset(); r.pending != nil {
		a.respond(number, resultInProgress)
	}
}

// maybeReset resets the streams that the other side has asked for, once all that
// it sent before is here.
func (a *Association) maybeReset() {
	r := &a.resets
	p := r.pending
	if p == nil || before(a.in.cum, p.last) {
		return
	}
	r.pending = nil
	r.expected++
	ids := p.streams
	if len(ids) == 0 { // all of them
		for id := range a.in.streams {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if s := a.in.streams[id]; s != nil {
			a.in.remove(&s.parts, 0, len(s.parts))
			a.in.remove(&s.loose, 0, len(s.loose))
			delete(a.in.streams, id)
		}
		a.opts.Reset(id)
	}
	r.result, r.answered = resultPerformed, true
	a.respond(p.number, resultPerformed)
}

func (a *Association) respond(number, result uint32) {
	b := binary.BigEndian.AppendUint32(nil, number)
	a.out.chunk(chunkReconfig, 0, appendParam(nil, paramResponse, binary.BigEndian.AppendUint32(b, result)))
}
