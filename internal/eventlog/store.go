package eventlog

import "github.com/rollcall-rtc/rollcall/event"

// Store is what the Log needs of a storage engine. Apply is called by one
// goroutine at a time, Trim by another one; the rest by any number, also during
// those two. Close is called last, with nothing else under way.
type Store interface {
	// Apply writes the batch as a whole or not at all and returns when it is
	// durable. After an error the engine is not written to again. Apply keeps
	// nothing of the batch but the immutable bodies and values.
	Apply(b *Batch) error
	// Read returns at most limit records with a Seq above after, in order: of
	// the room of that name, or for "" of the whole log. On an error it returns
	// what precedes the failing record with the error.
	Read(room string, after uint64, limit int) ([]event.Record, error)
	// Last returns the log's last record; a zero Record when it is empty.
	Last() (event.Record, error)
	// RoomSeq returns the RoomSeq and the Seq of the last record of the session
	// sid of the room of that name, 0 when there is none.
	RoomSeq(room, sid string) (roomSeq, seq uint64, err error)
	// Open returns the open things of the room session, or all for "".
	Open(roomSID string) ([]Entry, error)
	// Values returns the values whose keys begin with prefix and come behind
	// after in the order of their bytes: at most limit, or for 0 all.
	Values(prefix, after string, limit int) ([]Value, error)
	// Trim takes out the records with a Seq below first, but for those of keep,
	// which rises. It need not be durable: until it is trimmed again, a store
	// that was not closed may hold some of them.
	Trim(first uint64, keep []uint64) error
	Close() error
}

// Batch is one group of records and what is to change together with them.
type Batch struct {
	// Records have consecutive Seqs.
	Records []event.Record
	// Rewrites take the places of records in the store that have their Seq, ID,
	// RoomSeq, Room and RoomSID.
	Rewrites []event.Record
	// Index holds the changes to the index of open things, in order.
	Index []Entry
	// Cursors are values to set; a nil one deletes.
	Cursors map[string][]byte
}

// Value is one of the small values that the log keeps for its readers.
type Value struct {
	Key   string
	Value []byte
}

// Thing names what an event opens: a room session by its sid, a participant by
// the first two, a track by all three.
type Thing struct {
	RoomSID        string
	ParticipantSID string
	TrackSID       string
}

// Entry is one line of the index of open things, which is committed together
// with the events, so that after a crash nobody has to read the log to know
// what it left open.
type Entry struct {
	Thing
	// Room is the room's name.
	Room string
	// Opened is the record that opened the thing.
	Opened uint64
	// Seq is the last record that describes the thing, for a room the last one
	// with the whole room. In a Batch, 0 takes the entry out.
	Seq uint64
}
