package ingress

import (
	"encoding/json"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
)

// endpoint is one ingress. Service.mu guards it.
type endpoint struct {
	s       *Service // immutable
	created time.Time
	info    *livekit.IngressInfo // immutable, replaced on change
	session *Session             // that is under way, or nil
	room    string               // of the last session
	after   uint64               // the events of the last session come after that place
	settled bool                 // the log has the end of the last session
}

// spent says that it has ended, which the log knows, and cannot be used again.
func (e *endpoint) spent() bool { return !e.info.Reusable && e.settled }

// change replaces the state.
func (e *endpoint) change(f func(*livekit.IngressState)) {
	info := proto.CloneOf(e.info)
	if info.State == nil {
		info.State = new(livekit.IngressState)
	}
	f(info.State)
	info.State.UpdatedAt = time.Now().UnixNano()
	e.info = info
}

// tell keeps the endpoint as it is now, and appends the event of that. Service.mu is
// held, so that events come in the order of the changes.
func (e *endpoint) tell(ev event.Event) uint64 {
	e.keep()
	ev.Time, ev.Ingress = time.Now(), e.info
	ev.Room = &livekit.Room{Sid: e.info.State.RoomId, Name: e.room}
	return e.s.opts.Log.Append(ev)
}

// updated is info with what the request sets.
func updated(info *livekit.IngressInfo, req *livekit.UpdateIngressRequest) *livekit.IngressInfo {
	info = proto.CloneOf(info)
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&info.Name, req.Name}, {&info.RoomName, req.RoomName}, {&info.ParticipantIdentity, req.ParticipantIdentity},
		{&info.ParticipantName, req.ParticipantName}, {&info.ParticipantMetadata, req.ParticipantMetadata},
	} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if req.BypassTranscoding != nil { //nolint:staticcheck // older clients write it
		info.EnableTranscoding = proto.Bool(!*req.BypassTranscoding) //nolint:staticcheck // as above
	}
	if req.EnableTranscoding != nil {
		info.EnableTranscoding = req.EnableTranscoding
	}
	if req.Audio != nil {
		info.Audio = req.Audio
	}
	if req.Video != nil {
		info.Video = req.Video
	}
	if req.Enabled != nil {
		info.Enabled = req.Enabled
	}
	if info.State.GetStatus() == livekit.IngressState_ENDPOINT_ERROR {
		// Whoever changes it has seen the error.
		info.State.Status, info.State.Error = livekit.IngressState_ENDPOINT_INACTIVE, ""
	}
	return info
}

// endpointPrefix is that of the keys of kept endpoints.
const endpointPrefix = "ingress/endpoint/"

func endpointKey(id string) string { return endpointPrefix + id }

// kept is the value of an endpoint.
type kept struct {
	Info    json.RawMessage `json:"info"` // protojson
	Created time.Time       `json:"created"`
	After   uint64          `json:"after,omitempty"`
	// Room is that of the session, which the endpoint may not name any more.
	Room string `json:"room,omitempty"`
	// Settled says that the log has the end of the last session, or there was none.
	Settled bool `json:"settled,omitempty"`
}

// keep has the endpoint saved with the next commit.
func (e *endpoint) keep() {
	info, err := protojson.Marshal(e.info)
	if err != nil {
		panic("BUG: encode ingress: " + err.Error())
	}
	k := kept{Info: info, Created: e.created, After: e.after, Room: e.room, Settled: e.settled}
	raw, err := json.Marshal(k)
	if err != nil {
		panic("BUG: encode endpoint: " + err.Error())
	}
	e.s.opts.Log.SaveCursors(map[string][]byte{endpointKey(e.info.IngressId): raw}, nil)
}
