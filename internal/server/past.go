package server

import (
	"context"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// pastPatience bounds what reading the past of all rooms may add to a start.
const pastPatience = 2 * time.Second

// pastOfRooms returns what reads from the log what a session that is still open was
// like so far: its summary is of the whole session, whatever restarts it saw.
func (s *Server) pastOfRooms(ctx context.Context) func(*livekit.Room) *room.Past {
	deadline := time.Now().Add(pastPatience)
	return func(r *livekit.Room) *room.Past {
		ctx, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		past, err := readPast(ctx, eventlog.Intact{Log: s.events}, r)
		if err != nil {
			s.log.Warn("the summary of a room will lack what was before this start", "room", r.Name, "room_sid", r.Sid, "error", err)
		}
		return past
	}
}

func readPast(ctx context.Context, log eventlog.Intact, r *livekit.Room) (*room.Past, error) {
	started, err := log.Started(r.Sid)
	if err != nil {
		return nil, err
	}
	past := new(room.Past)
	for after := started - 1; ; {
		records, err := log.ReadRoom(ctx, r.Name, after, eventlog.MaxRead)
		if err != nil {
			return nil, err
		}
		if len(records) == 0 {
			return past, nil
		}
		for i := range records {
			after = records[i].Seq
			if records[i].RoomSID != r.Sid {
				continue
			}
			if err := past.Add(&records[i]); err != nil {
				return nil, err
			}
		}
	}
}
