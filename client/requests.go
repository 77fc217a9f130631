package client

import (
	"errors"

	"github.com/livekit/protocol/livekit"
)

var errPublishedAlready = errors.New("the track is published already")

// update is a change of the local participant's that the server has to make.
type update struct {
	message *livekit.UpdateParticipantMetadata
	seen    func(*livekit.ParticipantInfo) bool
	done    func(error)
}

func (r *Room) startUpdate(u *update) error {
	r.requestID++
	u.message.RequestId = r.requestID
	r.updates[r.requestID] = u
	r.request(updateRequest(u))
	return nil
}

func updateRequest(u *update) *livekit.SignalRequest {
	return &livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: u.message}}
}

func (r *Room) finishUpdate(id uint32, err error) {
	if u := r.updates[id]; u != nil {
		delete(r.updates, id)
		u.done(err)
	}
}

func (r *Room) dropUpdate(u *update) { delete(r.updates, u.message.RequestId) }

// handleRequestResponse completes what the server answers. That a change was
// made shows in the local participant, which the server sends as well: only then
// is the update complete, so that who waits for it sees it.
func (r *Room) handleRequestResponse(s *session, m *livekit.RequestResponse) {
	if m.GetReason() == livekit.RequestResponse_OK {
		if u := r.updates[m.GetRequestId()]; u != nil && u.seen(r.local.info) {
			r.finishUpdate(m.GetRequestId(), nil)
		}
		return
	}
	if m.GetReason() == livekit.RequestResponse_QUEUED {
		return // the answer is still to come
	}
	refused := &RequestError{Reason: m.GetReason(), Message: m.GetMessage()}
	if add := m.GetAddTrack(); add != nil {
		if pub := r.localByCID(add.GetCid()); pub != nil {
			pub.finish(refused)
			if pub.announced { // published before, but not again
				r.unpublish(pub)
			}
		}
		return
	}
	r.finishUpdate(m.GetRequestId(), refused)
}

// abortRequests ends what waits for an answer.
func (r *Room) abortRequests(err error) {
	for id := range r.updates {
		r.finishUpdate(id, err)
	}
	for _, pub := range r.local.pubs {
		pub.finish(err)
	}
}

// repeatRequests asks again what a lost signal connection may not have carried.
func (r *Room) repeatRequests() {
	for _, u := range r.updates {
		r.request(updateRequest(u))
	}
	for _, pub := range r.local.pubs {
		if pub.transceiver == nil {
			r.request(addTrack(pub))
		}
		if pub.asked {
			r.tellServerMuted(pub)
		}
	}
}
