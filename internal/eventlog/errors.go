package eventlog

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is returned once Close has ended the log.
	ErrClosed = errors.New("event log is closed")
	// ErrFailed is returned once a write to the store has failed. What was not
	// reported durable by then may or may not be in the log after a restart.
	ErrFailed = errors.New("event log has failed")
	// ErrStalled is the cause of a failure when the store did not finish a
	// write within Options.StallTimeout.
	ErrStalled = errors.New("store does not finish a write")
	// ErrCorrupt is matched by every CorruptError.
	ErrCorrupt = errors.New("corrupt record")
	// ErrDamaged is returned on opening a store whose files are damaged in a place
	// that all else depends on. It has to be restored from a copy, or moved away for
	// a new one.
	ErrDamaged = errors.New("store is damaged")
	// ErrNewerFormat is returned on opening a store that a newer version wrote.
	ErrNewerFormat = errors.New("store was written by a newer version")
	// ErrNotFound is returned for an event that is not in the log.
	ErrNotFound = errors.New("event not found")
	// ErrTruncated is matched by every TruncatedError.
	ErrTruncated = errors.New("events are not kept any more")
	// ErrQuota is returned by Ready while the log is full. It then goes on taking
	// lifecycle events, and refuses and counts all others.
	ErrQuota = errors.New("event log has reached its quota")
	// ErrLocked is returned on opening a store that another process has open.
	ErrLocked = errors.New("store is in use by another process")
)

// CorruptError names the record that is damaged or missing. The records after
// it can be read: a reader that accepts the gap goes on after Seq.
type CorruptError struct {
	Seq    uint64
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt record %d: %s", e.Seq, e.Reason)
}

// Is reports whether target is ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// TruncatedError is returned to a reader that asks for events that retention has
// taken out; those from First on are there.
type TruncatedError struct {
	First uint64
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("events before %d are not kept any more", e.First)
}

// Is reports whether target is ErrTruncated.
func (e *TruncatedError) Is(target error) bool { return target == ErrTruncated }
