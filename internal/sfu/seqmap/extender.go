package seqmap

// Extender unwraps 16-bit sequence numbers to 64 bits. The zero value is
// ready; the first number gets cycle 1, so that one that is older still has a
// place below it and 0 is never used.
type Extender struct {
	highest uint64
}

// Started reports whether a number was seen.
func (e *Extender) Started() bool { return e.highest != 0 }

// Highest returns the highest number so far, 0 before the first.
func (e *Extender) Highest() uint64 { return e.highest }

// Peek returns what Extend would without noting it.
func (e *Extender) Peek(seq uint16) uint64 {
	if e.highest == 0 {
		return 1<<16 | uint64(seq)
	}
	return e.highest + uint64(int64(int16(seq-uint16(e.highest))))
}

// Extend returns the number nearest to the highest one whose low bits are seq.
func (e *Extender) Extend(seq uint16) uint64 {
	ext := e.Peek(seq)
	e.highest = max(e.highest, ext)
	return ext
}

// Restart begins a new numbering at seq, above every number given before.
func (e *Extender) Restart(seq uint16) uint64 {
	e.highest = (e.highest>>16+2)<<16 | uint64(seq)
	return e.highest
}
