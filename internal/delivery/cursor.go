package delivery

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Where an endpoint is, as it is stored:
//
//	delivery/<endpoint>           endpointCursor: how far its log was scanned
//	delivery/<endpoint>/<k><name> laneCursor: a lane that has work, k its kind
//
// Everything up to the endpoint's position is acknowledged, except what the
// lanes that are stored beside it have after their own. Both are written in
// one piece, so they always fit together, and the size is that of the lanes
// with work, not of the backlog.
const cursorPrefix = "delivery/"

type endpointCursor struct {
	// After is the scan position.
	After uint64 `json:"after"`
	// From is where the endpoint began: it gets what comes after.
	From uint64 `json:"from,omitempty"`
	// Passed is where the filter was changed last: what was not tried up to
	// there may have been left out by another one.
	Passed uint64 `json:"passed,omitempty"`
	// Layout is how its events were laid out in lanes.
	Layout layout `json:"layout,omitempty"`
	// Paused says that somebody holds deliveries back.
	Paused bool `json:"paused,omitempty"`
	// Ended is when the room or egress of the endpoint ended.
	Ended *time.Time `json:"ended,omitempty"`
	// Disabled is when the endpoint answered 410 Gone.
	Disabled *time.Time `json:"disabled,omitempty"`
	// Gone left the log unread; the next delivery tells of it.
	Gone span `json:"gone,omitzero"`
}

// laneCursor is the state of a lane with work. What belongs to it is after
// After and up to the endpoint's position.
type laneCursor struct {
	After        uint64
	Prev         uint64 // the record before the head, 0 if not known
	Attempts     int    // at the head
	FirstFailure time.Time
}

func endpointKey(id string) string { return cursorPrefix + id }

func (k laneKey) cursorKey(id string) string {
	return cursorPrefix + id + "/" + string(rune(k.kind)) + k.name
}

// parseCursorKey splits a key into the endpoint and, for a lane, its key.
func parseCursorKey(key string) (id string, lane laneKey, isLane bool, err error) {
	rest, ok := strings.CutPrefix(key, cursorPrefix)
	if !ok || rest == "" {
		return "", laneKey{}, false, fmt.Errorf("key %q: %w", key, ErrCursor)
	}
	id, name, isLane := strings.Cut(rest, "/")
	if !isLane {
		return id, laneKey{}, false, nil
	}
	if name == "" || id == "" {
		return "", laneKey{}, false, fmt.Errorf("key %q: %w", key, ErrCursor)
	}
	return id, laneKey{laneKind(name[0]), name[1:]}, true, nil
}

func (c *endpointCursor) encode() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic("BUG: encode endpoint cursor: " + err.Error())
	}
	return b
}

func decodeEndpointCursor(b []byte) (c endpointCursor, err error) {
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("endpoint: %w: %w", ErrCursor, err)
	}
	return c, nil
}

const laneCursorVersion = 1

func (c *laneCursor) encode() []byte {
	var first uint64
	if !c.FirstFailure.IsZero() {
		first = uint64(c.FirstFailure.UnixMicro())
	}
	b := make([]byte, 0, 1+4*binary.MaxVarintLen64)
	b = append(b, laneCursorVersion)
	b = binary.AppendUvarint(b, c.After)
	b = binary.AppendUvarint(b, c.Prev)
	b = binary.AppendUvarint(b, uint64(c.Attempts))
	return binary.AppendUvarint(b, first)
}

func decodeLaneCursor(b []byte) (c laneCursor, err error) {
	if len(b) == 0 || b[0] != laneCursorVersion {
		return c, fmt.Errorf("lane: %w: unknown version", ErrCursor)
	}
	b = b[1:]
	var fields [4]uint64
	for i := range fields {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return c, fmt.Errorf("lane: %w: truncated", ErrCursor)
		}
		fields[i], b = v, b[n:]
	}
	if len(b) != 0 {
		return c, fmt.Errorf("lane: %w: %d bytes too many", ErrCursor, len(b))
	}
	c = laneCursor{After: fields[0], Prev: fields[1], Attempts: int(fields[2])}
	if fields[3] != 0 {
		c.FirstFailure = time.UnixMicro(int64(fields[3])).UTC()
	}
	return c, nil
}

// touch notes that a lane's cursor changed.
func (ep *endpoint) touch(key laneKey, now time.Time) {
	ep.dirty[key] = struct{}{}
	ep.touchSave(now)
}

// touchSelf notes that the endpoint's own cursor changed.
func (ep *endpoint) touchSelf(now time.Time) {
	ep.moved = true
	ep.touchSave(now)
}

func (ep *endpoint) touchSave(now time.Time) {
	if ep.saveAt.IsZero() {
		ep.saveAt = now.Add(saveDelay)
	}
}

func (ep *endpoint) maybeSave(now time.Time) {
	if !ep.saveAt.IsZero() && !now.Before(ep.saveAt) {
		ep.save()
	}
}

func (ep *endpoint) cursor() endpointCursor {
	return endpointCursor{
		After: ep.scan, From: ep.from, Passed: ep.passed, Layout: ep.layout,
		Paused: ep.paused, Ended: ep.ended, Disabled: ep.disabled, Gone: ep.gone,
	}
}

// save writes what changed, in one piece: an attempt, what follows from it and
// when the next one is due are never known apart.
func (ep *endpoint) save() {
	if ep.saveAt.IsZero() || ep.removed {
		return
	}
	ep.saveAt = time.Time{}
	puts := make(map[string][]byte, len(ep.dirty)+3)
	deletes := ep.attempts.save(puts, time.Now())
	deletes = ep.saveDead(puts, deletes)
	if ep.moved {
		c := ep.cursor()
		puts[endpointKey(ep.id)] = c.encode()
		ep.moved = false
	}
	for key := range ep.dirty {
		l := ep.lanes[key]
		if l == nil {
			if _, ok := ep.saved[key]; ok {
				deletes = append(deletes, key.cursorKey(ep.id))
				delete(ep.saved, key)
			}
			continue
		}
		c := l.cursor()
		puts[key.cursorKey(ep.id)] = c.encode()
		ep.saved[key] = struct{}{}
	}
	clear(ep.dirty)
	if len(puts)+len(deletes) > 0 {
		ep.opts.Cursors.SaveCursors(puts, deletes)
	}
}

func (l *lane) cursor() laneCursor {
	c := laneCursor{After: l.scanned, Prev: l.tail, Attempts: l.attempts, FirstFailure: l.firstFailure}
	if len(l.items) > 0 {
		c.After, c.Prev = l.head().seq-1, l.head().prev
	}
	return c
}
