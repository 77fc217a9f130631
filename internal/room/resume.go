package room

import (
	"maps"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// signalLost keeps p while its transport carries on or may still come back; one
// that never came up is the end of a failed attempt to join.
func (s *state) signalLost(p *participant, sink Sink) {
	if p.gone || p.sink != sink {
		return // another connection has taken over
	}
	p.sink = nil
	p.signalLostAt = s.now
	p.hangUp = time.Time{}
	if p.leaving != 0 {
		return // the goodbye was heard, and waits for the transport or for data
	}
	if p.joined {
		p.lose("signal")
	}
	switch {
	case p.joined && p.transportFailed():
		p.setDeadline(s.opts.ResumeTimeout)
	case p.joined:
		// Media goes on; the end of the transport will be the end of p.
	default:
		// The client may have seen itself connected the moment it went.
		s.farewell(p, livekit.DisconnectReason_SIGNAL_CLOSE, peer.Connecting)
	}
}

// dropSignal ends p's signal connection; the client is expected to resume.
func (p *participant) dropSignal() {
	if p.sink != nil {
		p.sink.Close()
		p.sink = nil
		p.signalLostAt = p.state.now
	}
}

// resume gives p a new signal connection. Nobody else notices. The order of the
// messages is what SDKs rely on: reconnect, then everybody including itself,
// then the room, then a fresh offer. sid is what the client holds for its session.
func (s *state) resume(p *participant, req *Join, sid string, sink Sink) {
	lostAt := p.signalLostAt
	if p.sink != nil {
		p.sink.Close()
		lostAt = s.now
	}
	since := p.missedSince(lostAt)
	p.sink, p.signalLostAt, p.resumedAt, p.missing, p.hangUp = sink, time.Time{}, s.now, since, time.Time{}
	if !s.departures.knows(since) && !s.departures.knows(p.joinedAt) {
		p.log.Info("client was away for too long to be told who has left, and starts over", "since", since)
		p.sendLeave(livekit.DisconnectReason_STATE_MISMATCH, livekit.LeaveRequest_RECONNECT)
		s.remove(p, livekit.DisconnectReason_STATE_MISMATCH)
		return
	}
	p.negotiation = negotiation{} // what was held answers an offer that it makes anew
	for _, t := range p.pending {
		p.expectOffer(t) // reminders may have gone into the dead connection
	}
	if p.leaving == livekit.DisconnectReason_SIGNAL_CLOSE && !p.joined {
		// It lost its signal connection on the way in, and is on the way again.
		p.leaving = 0
		p.setDeadline(s.opts.JoinTimeout)
	}
	if cut := p.simulation; cut.cutResume {
		p.simulation.cutResume = false
		if cut.cutFirst {
			p.dropSignal()
			return
		}
		defer p.dropSignal()
	}
	p.log.Info("participant resumes")
	p.session.resumes++
	s.totals.resumes++
	s.emit(event.Event{Name: event.ParticipantReconnecting, Participant: p.info()})
	p.lost = true
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_Reconnect{Reconnect: &livekit.ReconnectResponse{
		IceServers:          p.iceServers(),
		ClientConfiguration: p.clientConfiguration(),
		ServerInfo:          s.opts.ServerInfo,
		LastMessageSeq:      p.reliable.highest,
	}}})
	if sid != "" && sid != p.sid {
		// It was moved while it was not there to be told.
		p.tellMoved(p.info())
	}
	p.tellMutes(since)
	p.tellEndedVoices(since)
	if infos := s.departedSince(since); len(infos) > 0 {
		p.send(updateMessage(infos...))
	}
	p.send(updateMessage(append(s.others(p), p.info())...))
	s.informed(p)
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_RoomUpdate{
		RoomUpdate: &livekit.RoomUpdate{Room: s.info()},
	}})
	// What was told meanwhile is lost, and clients act on changes only.
	p.tellStreams(slices.Collect(maps.Values(p.subscriptions))...)
	p.tellDenials(since)
	p.tellVoices(since)
	p.toldQuality = nil
	for _, t := range p.tracks {
		if t.demand.begun {
			t.tellDemand(t.demand.told)
		}
	}
	p.refreshToken()
	if len(p.dataHandles) > 0 {
		p.tellDataHandles()
	}
	if p.joined && p.leaving == 0 && !p.overflowed && !p.deadline.IsZero() || p.transportFailed() {
		// It came in time, and its transport may need longer.
		if p.setDeadline(s.opts.JoinTimeout); p.primary() == peer.Connected {
			p.deadline = time.Time{} // it was the other one that failed
		}
	}
	switch {
	case p.duplex != nil:
		p.duplex.Resumed()
	case p.subscriber != nil:
		p.subscriber.RestartICE()
	}
	if p.primary() == peer.Connected {
		p.back()
	}
	if req.SyncState != nil {
		p.syncState(req.SyncState)
	}
	if req.Offer != nil && !p.gone {
		p.offer(req.Offer)
	}
}

// tellMutes repeats what the API has asked of p's tracks since then. It comes before
// p's own description: a client corrects what it finds muted there and has not muted.
func (p *participant) tellMutes(since time.Time) {
	for _, tracks := range [][]*track{p.tracks, p.pending} {
		for _, t := range tracks {
			if t.asked.After(since) {
				p.askToMute(t, t.info.Muted)
			}
		}
	}
}

// lose tells, once for each time, that p's connection is lost.
func (p *participant) lose(cause string) {
	if !p.joined || p.lost {
		return
	}
	p.lost = true
	p.state.emit(event.Event{Name: event.ParticipantConnectionLost, Participant: p.info(), Detail: &event.Lost{Cause: cause}})
}

// back tells that p is connected again, if it was lost.
func (p *participant) back() {
	if !p.lost || p.gone || p.sink == nil {
		return
	}
	p.lost = false
	p.state.emit(event.Event{Name: event.ParticipantResumed, Participant: p.info()})
}

// departureSlack covers what was sent into a connection already dead.
const departureSlack = 30 * time.Second

// missedSince is since when p's client may have missed what it was told, now that it lost
// its connection. If that one has not lived for long, also what it was told on resuming
// may have gone into it already dead.
func (p *participant) missedSince(lostAt time.Time) time.Time {
	since := lostAt.Add(-departureSlack)
	if since.Before(p.resumedAt) && p.missing.Before(since) {
		return p.missing
	}
	return since
}

// syncState brings the client's view after a resume and the room's together. A
// client that believes in a track the room does not have starts over.
func (p *participant) syncState(m *livekit.SyncState) {
	for _, published := range m.GetPublishTracks() {
		if sid := published.GetTrack().GetSid(); p.ownTrack(sid) == nil {
			p.log.Info("client publishes a track that is unknown here", "track", sid)
			p.sendLeave(livekit.DisconnectReason_STATE_MISMATCH, livekit.LeaveRequest_RECONNECT)
			p.state.remove(p, livekit.DisconnectReason_STATE_MISMATCH)
			return
		}
	}
	p.replay(m.GetDatachannelReceiveStates())
	if sub := m.GetSubscription(); sub != nil {
		p.choose(sub.TrackSids, sub.ParticipantTracks, sub.Subscribe)
	}
	for _, sid := range m.GetTrackSidsDisabled() {
		if sub := p.subscriptions[sid]; sub != nil {
			sub.sender.DownTrack().SetPaused(true)
			sub.demands(sub.wished())
		}
	}
}
