package room

import (
	"context"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/rate"
)

// Of what a client changes everybody is told, with all that there is to say of its
// participant, and the log is, too: up to half a megabyte, a hundred times a second. A
// client that costs more than this is listened to more slowly. With the two kilobytes that
// participants have at most, as a rule, none is in a room of less than three hundred.
const (
	changeRate  = 64 << 20 // bytes that may be told of its changes in a second
	changeBurst = 1 << 30  // and saved up
	logShare    = 16       // as many participants the log counts for
)

// pace is how much a participant's client has others told.
type pace struct {
	spent rate.Bucket
	begun bool
}

// changed says that p's client had everybody told of something.
func (p *participant) changed() {
	s := p.state
	if !p.pace.begun {
		p.pace = pace{rate.NewBucket(changeRate, changeBurst, s.now), true}
	}
	cost := proto.Size(p.info()) * (len(s.participants) + logShare)
	var until int64
	if wait := p.pace.spent.Reserve(cost, s.now); wait > 0 {
		until = s.now.Add(wait).UnixNano()
	}
	p.berth.restUntil.Store(until)
}

// changes says whether a request may have others told of something.
func changes(req *livekit.SignalRequest) bool {
	switch req.Message.(type) {
	case *livekit.SignalRequest_Mute, *livekit.SignalRequest_UpdateMetadata, *livekit.SignalRequest_UpdateAudioTrack,
		*livekit.SignalRequest_UpdateVideoTrack, *livekit.SignalRequest_SubscriptionPermission,
		*livekit.SignalRequest_PublishDataTrackRequest, *livekit.SignalRequest_UnpublishDataTrackRequest,
		*livekit.SignalRequest_Simulate:
		return true
	}
	return false
}

// Rest returns when the client may be listened to again, or with ctx: at once, unless it
// has others told of more than they should be.
func (h *Participant) Rest(ctx context.Context) {
	until := h.berth.restUntil.Load()
	if until == 0 {
		return
	}
	timer := time.NewTimer(time.Until(time.Unix(0, until)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
