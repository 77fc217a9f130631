package eventlog

import (
	"context"
	"errors"

	"github.com/rollcall-rtc/rollcall/event"
)

// Intact is a Log for those who want what can be read: they get no CorruptError but
// the records behind it, and the damage is logged. RoomSeq still tells of the gap.
type Intact struct{ *Log }

// Read is Log.Read over records that are damaged.
func (i Intact) Read(ctx context.Context, after uint64, limit int) ([]event.Record, error) {
	return i.passing(after, func(after uint64) ([]event.Record, error) { return i.Log.Read(ctx, after, limit) })
}

// ReadRoom is Log.ReadRoom over records that are damaged.
func (i Intact) ReadRoom(ctx context.Context, room string, after uint64, limit int) ([]event.Record, error) {
	return i.passing(after, func(after uint64) ([]event.Record, error) { return i.Log.ReadRoom(ctx, room, after, limit) })
}

func (i Intact) passing(after uint64, read func(after uint64) ([]event.Record, error)) ([]event.Record, error) {
	for {
		records, err := read(after)
		damage, ok := errors.AsType[*CorruptError](err)
		if !ok || damage.Seq <= after {
			return records, err
		}
		i.logger.Error("a record of the event log cannot be read, and is passed over", "seq", damage.Seq, "error", err)
		after = damage.Seq
	}
}
