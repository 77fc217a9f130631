package delivery

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The attempts at an endpoint are stored in blocks, one for each write of the
// cursors, in the same write:
//
//	delivery-attempts/<endpoint>/<16 hex digits>
//
// Whatever the load, the newest attempts are kept, up to attemptBytes of them
// and attemptBlocks writes, for attemptAge.
const (
	attemptBytes  = 8 << 20
	attemptBlocks = 8192
	attemptAge    = 8 * 24 * time.Hour
	attemptFormat = 1
	// attemptPacked is the format of a block of packedFrom bytes or more, which
	// has long answers in it: the other's, deflated (RFC 1951).
	attemptPacked = 2
	packedFrom    = 8 << 10
	// maxUnpacked bounds a block, in bytes: a few hundred of the longest answers.
	maxUnpacked = 256 << 20
)

const attemptsPrefix = "delivery-attempts/"

func attemptPrefix(id string) string { return attemptsPrefix + id + "/" }

// attemptLog is driven by the endpoint's loop.
type attemptLog struct {
	prefix string // immutable
	next   uint64
	blocks []attemptBlock // stored, the oldest first
	bytes  int
	fresh  []Attempt // not stored yet
}

type attemptBlock struct {
	n     uint64
	bytes int
	at    time.Time
}

func (a *attemptLog) key(n uint64) string { return fmt.Sprintf("%s%016x", a.prefix, n) }

// restore takes over what is stored.
func (a *attemptLog) restore(stored map[string][]byte) error {
	for key, b := range stored {
		n, err := strconv.ParseUint(strings.TrimPrefix(key, a.prefix), 16, 64)
		if err != nil {
			return fmt.Errorf("key %q: %w", key, ErrCursor)
		}
		at := time.Time{}
		if all, err := decodeAttempts(nil, b); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		} else if len(all) > 0 {
			at = all[len(all)-1].At
		}
		a.blocks = append(a.blocks, attemptBlock{n, len(b), at})
		a.bytes += len(b)
		a.next = max(a.next, n+1)
	}
	slices.SortFunc(a.blocks, func(x, y attemptBlock) int { return int(int64(x.n - y.n)) })
	return nil
}

func (a *attemptLog) add(at Attempt) { a.fresh = append(a.fresh, at) }

// save adds the fresh attempts to a write and returns what it deletes.
func (a *attemptLog) save(puts map[string][]byte, now time.Time) (deletes []string) {
	if len(a.fresh) == 0 {
		return nil
	}
	b := packAttempts(a.fresh)
	puts[a.key(a.next)] = b
	a.blocks = append(a.blocks, attemptBlock{a.next, len(b), now})
	a.bytes += len(b)
	a.next++
	a.fresh = a.fresh[:0]
	for len(a.blocks) > 1 && (a.bytes > attemptBytes || len(a.blocks) > attemptBlocks || now.Sub(a.blocks[0].at) > attemptAge) {
		deletes = append(deletes, a.key(a.blocks[0].n))
		a.bytes -= a.blocks[0].bytes
		a.blocks = a.blocks[1:]
	}
	return deletes
}

// A block is a version and, for each attempt: flags, At as the difference to the
// one before in µs, Seq likewise, Number, Status, Latency in µs, and what the
// flags announce: First as the difference to Seq, Error, Response.
const (
	attemptBatched   = 1 << 0
	attemptError     = 1 << 1
	attemptResponse  = 1 << 2
	attemptLate      = 1 << 3
	attemptRequested = 1 << 4
)

func encodeAttempts(all []Attempt) []byte {
	b := make([]byte, 0, 1+20*len(all))
	b = append(b, attemptFormat)
	var at int64
	var seq uint64
	for i := range all {
		a := &all[i]
		var flags byte
		for _, f := range [...]struct {
			flag byte
			on   bool
		}{
			{attemptBatched, a.First != 0}, {attemptError, a.Error != ""}, {attemptResponse, a.Response != ""},
			{attemptLate, a.Late}, {attemptRequested, a.Requested},
		} {
			if f.on {
				flags |= f.flag
			}
		}
		b = append(b, flags)
		b = binary.AppendVarint(b, a.At.UnixMicro()-at)
		b = binary.AppendVarint(b, int64(a.Seq-seq))
		b = binary.AppendUvarint(b, uint64(a.Number))
		b = binary.AppendUvarint(b, uint64(a.Status))
		b = binary.AppendUvarint(b, uint64(a.Latency.Microseconds()))
		if a.First != 0 {
			b = binary.AppendUvarint(b, a.Seq-a.First)
		}
		for _, s := range [...]string{a.Error, a.Response} {
			if s != "" {
				b = binary.AppendUvarint(b, uint64(len(s)))
				b = append(b, s...)
			}
		}
		at, seq = a.At.UnixMicro(), a.Seq
	}
	return b
}

// packAttempts encodes a block in the shorter format.
func packAttempts(all []Attempt) []byte {
	b := encodeAttempts(all)
	if len(b) < packedFrom {
		return b
	}
	packed := bytes.NewBuffer([]byte{attemptPacked})
	w, err := flate.NewWriter(packed, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("BUG: deflate into memory: " + err.Error())
	}
	if packed.Len() >= len(b) {
		return b
	}
	return packed.Bytes()
}

// decodeAttempts appends a block's attempts to all.
func decodeAttempts(all []Attempt, b []byte) ([]Attempt, error) {
	if len(b) > 0 && b[0] == attemptPacked {
		r := flate.NewReader(bytes.NewReader(b[1:]))
		unpacked, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
		if err != nil || len(unpacked) > maxUnpacked {
			return all, fmt.Errorf("attempts: %w: damaged", ErrCursor)
		}
		b = unpacked
	}
	if len(b) == 0 || b[0] != attemptFormat {
		return all, fmt.Errorf("attempts: %w: unknown version", ErrCursor)
	}
	b = b[1:]
	bad := false
	unsigned := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			bad, b = true, nil
			return 0
		}
		b = b[n:]
		return v
	}
	signed := func() int64 {
		v, n := binary.Varint(b)
		if n <= 0 {
			bad, b = true, nil
			return 0
		}
		b = b[n:]
		return v
	}
	text := func() string {
		n := unsigned()
		if n > uint64(len(b)) {
			bad, b = true, nil
			return ""
		}
		s := string(b[:n])
		b = b[n:]
		return s
	}
	var at int64
	var seq uint64
	for len(b) > 0 {
		flags := b[0]
		b = b[1:]
		at += signed()
		seq += uint64(signed())
		a := Attempt{
			At: time.UnixMicro(at).UTC(), Seq: seq, Number: int(unsigned()), Status: int(unsigned()),
			Latency: time.Duration(unsigned()) * time.Microsecond,
			Late:    flags&attemptLate != 0, Requested: flags&attemptRequested != 0,
		}
		if flags&attemptBatched != 0 {
			a.First = seq - unsigned()
		}
		if flags&attemptError != 0 {
			a.Error = text()
		}
		if flags&attemptResponse != 0 {
			a.Response = text()
		}
		if bad {
			return all, fmt.Errorf("attempts: %w: truncated", ErrCursor)
		}
		all = append(all, a)
	}
	return all, nil
}

// attempt is what is kept of a result.
func (r *result) attempt() Attempt {
	a := Attempt{
		At: r.began.UTC(), Seq: r.seq, Number: r.details.attempt, Status: r.status, Latency: r.latency,
		Response: r.response, Late: r.late,
	}
	if r.count > 0 {
		a.First = r.first
	}
	if r.status == 0 && r.err != nil {
		a.Error = r.reason()
	}
	return a
}
