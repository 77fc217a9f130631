package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/fold"
)

// stateAPI serves GET /rooms/{room}/state: a room, by name or sid of a session,
// as the log tells of it.
//
//	seq      as the events up to this one tell; without it, the newest
//	min_seq  wait until the log has this one
//
// The answer's seq is the place in the log up to which it is exact: whoever
// reads events after it misses nothing and sees nothing twice.
type stateAPI struct {
	log   Log
	rooms *roomFinder
	auth  authenticator
}

func (h *stateAPI) routes() []route {
	return []route{{"GET", "/rooms/{room}/state", h.serve}}
}

// stateJSON is a room's state; room is null when the log knows of none.
type stateJSON struct {
	Seq          uint64            `json:"seq"`
	RoomSeq      uint64            `json:"roomSeq"`
	Live         bool              `json:"live"`
	Whole        bool              `json:"whole"`
	StartedAt    time.Time         `json:"startedAt,omitzero"`
	EndedAt      time.Time         `json:"endedAt,omitzero"`
	Room         json.RawMessage   `json:"room"`
	Participants []participantJSON `json:"participants"`
}

type participantJSON struct {
	Connection fold.Connection `json:"connection"`
	Info       json.RawMessage `json:"info"`
}

func (h *stateAPI) serve(w http.ResponseWriter, r *http.Request) error {
	claims, err := h.auth.bearer(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	room, err := h.rooms.find(ctx, r.PathValue("room"))
	if err != nil {
		return err
	}
	if err := claims.CanReadEvents(room.name); err != nil {
		return err
	}
	if err := awaitMinSeq(r, h.log); err != nil {
		return err
	}
	seq, err := h.place(r.URL.Query().Get("seq"))
	if err != nil {
		return err
	}
	state, err := h.fold(ctx, room, seq)
	if err != nil {
		return err
	}
	if state.Room == nil && room.sid == "" {
		return notFound("the log has no event of a room %.80q up to %d", room.name, seq)
	}
	out := stateJSON{
		Seq: seq, RoomSeq: state.RoomSeq, Live: state.Live, Whole: state.Whole, StartedAt: state.StartedAt, EndedAt: state.EndedAt,
		Room: protoJSON(state.Room), Participants: []participantJSON{},
	}
	for _, p := range state.Participants {
		out.Participants = append(out.Participants, participantJSON{p.Connection, protoJSON(p.Info)})
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set(headerSeq, strconv.FormatUint(seq, 10))
	writeJSON(w, http.StatusOK, out)
	return nil
}

// place returns the seq that was asked for.
func (h *stateAPI) place(text string) (uint64, error) {
	last := h.log.Last()
	if text == "" {
		return last, nil
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil:
		return 0, badRequest("seq is %.40q, want the seq of an event", text)
	case seq > last:
		return 0, problemf(http.StatusBadRequest, "out_of_range", "seq=%d is ahead of the log, whose last event is %d", seq, last)
	case seq+1 < h.log.First():
		return 0, &expired{after: seq, earliest: h.log.First()}
	}
	return seq, nil
}

// begin returns a place in the log from where on all of the session lies that the
// room is in at seq: nothing before it changes the state.
func (h *stateAPI) begin(ctx context.Context, room roomFilter, seq uint64) (after uint64, err error) {
	var s event.Session
	if room.sid != "" {
		s, _, err = h.log.Session(ctx, room.sid)
	} else {
		var found []event.Session
		found, _, _, err = h.log.Sessions(ctx, seq+1, 1, func(s *event.Session) bool { return s.Room == room.name })
		if len(found) > 0 {
			s = found[0]
		}
	}
	if err != nil || s.First == 0 {
		return 0, err // not listed, or not near: its room's events are read from the first on
	}
	return s.First - 1, nil
}

// fold reads the room's events up to seq.
func (h *stateAPI) fold(ctx context.Context, room roomFilter, seq uint64) (*fold.State, error) {
	state := new(fold.State)
	cursor, err := h.begin(ctx, room, seq)
	if err != nil {
		return nil, err
	}
	for {
		records, err := h.log.ReadRoom(ctx, room.name, cursor, scanBatch)
		if err != nil {
			return nil, fmt.Errorf("read room %.80q: %w", room.name, err)
		}
		for i := range records {
			rec := &records[i]
			if rec.Seq > seq {
				return state, nil
			}
			if room.sid != "" && rec.RoomSID != room.sid {
				continue
			}
			if err := state.Apply(rec); err != nil {
				return nil, err
			}
		}
		if len(records) == 0 {
			return state, nil
		}
		cursor = records[len(records)-1].Seq
	}
}

// protoJSON is a message as the API of the room service shows it.
func protoJSON[M interface {
	proto.Message
	*livekit.Room | *livekit.ParticipantInfo
}](m M) json.RawMessage {
	if m == nil {
		return json.RawMessage("null")
	}
	b, err := (protojson.MarshalOptions{EmitUnpopulated: true}).Marshal(m)
	if err != nil {
		panic("BUG: marshal a message that was unmarshalled: " + err.Error())
	}
	return b
}
