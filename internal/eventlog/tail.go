package eventlog

import (
	"slices"

	"github.com/rollcall-rtc/rollcall/event"
)

// What a tail keeps: some seconds of joins.
const (
	maxTail      = 256
	maxTailBytes = 1 << 20 // of bodies
)

// tail is the newest committed records. Whoever follows the log has them without the
// engine, for which each reader of each group is an iterator and a checksum more.
type tail struct {
	records []event.Record // without gaps
	bytes   int
}

// add takes in the group that follows.
func (t *tail) add(group []event.Record) {
	for i := range group {
		t.bytes += weight(&group[i])
	}
	t.records = append(t.records, group...)
	cut := 0
	for cut < len(t.records) && (len(t.records)-cut > maxTail || t.bytes > maxTailBytes) {
		t.bytes -= weight(&t.records[cut])
		cut++
	}
	clear(t.records[:cut]) // bodies are not held by what has left
	t.records = t.records[cut:]
}

func weight(r *event.Record) int { return len(r.Body) + len(r.FullBody) }

// after returns up to limit records with a Seq above after, and whether the next one
// is among what it keeps.
func (t *tail) after(after uint64, limit int) ([]event.Record, bool) {
	if len(t.records) == 0 {
		return nil, false
	}
	first, last := t.records[0].Seq, t.records[len(t.records)-1].Seq
	if after+1 < first || after >= last {
		return nil, false
	}
	rest := t.records[after+1-first:]
	return slices.Clone(rest[:min(limit, len(rest))]), true
}
