package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// settleTime is how long a connection that looks unbroken is watched after a
// resume before it counts as restored, unless ICE has found a path anew: it takes
// a while to see a dead one.
const settleTime = 2 * time.Second

// ErrReconnectFailed is in Disconnected if the connection was lost and all
// attempts to restore it failed. A *ConnectError with it says why the last one did.
var ErrReconnectFailed = errors.New("connection lost and not restored")

// defaultDelay grows with the square of the attempts, as LiveKit's clients do it,
// and is random by half so that not everybody comes at once.
func defaultDelay(attempt int) time.Duration {
	if attempt == 0 {
		return time.Duration(rand.Int64N(int64(200 * time.Millisecond)))
	}
	d := min(300*time.Millisecond*time.Duration(attempt*attempt), 5*time.Second)
	return d/2 + time.Duration(rand.Int64N(int64(d)))
}

// restoring is one loss of the connection, until it is restored or given up:
//
//	lost -> waiting -> dialling -> settling -> restored
//	           ^----------+-----------+------> given up
//
// A resume keeps the session; a full reconnect, which a failed resume or the
// server may call for, replaces it. Loop only.
type restoring struct {
	full     bool
	reason   livekit.ReconnectReason
	attempt  int
	err      error     // of the last attempt that did not get through to the server; else nil
	settling *settling // nil before an attempt got through to the server
	cancel   context.CancelFunc
}

// settling is an attempt that waits for its media path.
type settling struct {
	session *session
	settled int    // how many descriptions of the primary were agreed on before
	ufrag   string // of the server's description of the primary, before
	watched bool   // the path has lived through settleTime
	timers  []*time.Timer
}

// over ends what still waits for the attempt. Its timers would hold the session.
func (s *settling) over() {
	for _, t := range s.timers {
		stop(t)
	}
}

// stop stops a timer, if there is one.
func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// restore begins to restore the connection. If that is under way already, only a
// need for a full reconnect makes a difference, or that the attempt broke as well.
func (r *Room) restore(full bool, reason livekit.ReconnectReason) {
	switch {
	case r.connection == StateDisconnected:
		return
	case r.connection == StateConnecting:
		r.failed(fmt.Errorf("%w: while joining", ErrReconnectFailed))
		return
	case r.opts.Reconnect.Attempts < 0:
		r.leave(livekit.DisconnectReason_CONNECTION_TIMEOUT, ErrReconnectFailed)
		return
	}
	if s := r.session; s != nil && s.join.GetClientConfiguration().GetResumeConnection() == livekit.ClientConfigSetting_DISABLED {
		full = true
	}
	if r.restoring == nil {
		r.restoring = &restoring{full: full, reason: reason}
		r.data.pause()
		// It is told at once, before anything is held.
		r.events.emit(Reconnecting{Full: full})
		r.changeConnection(StateReconnecting)
		r.attempt(r.restoring)
		return
	}
	w := r.restoring
	r.log.Debug("reconnect goes wrong", "full", full, "reason", reason, "attempt", w.attempt)
	w.full = w.full || full
	if w.settling != nil { // that attempt is over
		w.settling.over()
		w.settling = nil
		r.attempt(w)
	}
}

// failed ends a room that could not be entered.
func (r *Room) failed(err error) { r.leave(livekit.DisconnectReason_JOIN_FAILURE, err) }

// attempt waits, dials, and goes on with what the server says.
func (r *Room) attempt(w *restoring) {
	if w.attempt >= r.opts.Reconnect.Attempts {
		err := ErrReconnectFailed
		if w.err != nil {
			err = fmt.Errorf("%w: %w", err, w.err)
		}
		r.leave(livekit.DisconnectReason_CONNECTION_TIMEOUT, err)
		return
	}
	delay := r.opts.Reconnect.Delay(w.attempt)
	w.attempt++
	var resume *resumption
	var ending *session
	if w.full {
		ending = r.endSession()
	} else {
		resume = &resumption{sid: r.local.info.GetSid(), reason: w.reason}
	}
	token := r.token
	ctx, cancel := context.WithTimeoutCause(r.ctx, joinTimeout+delay, ErrTimeout)
	w.cancel = cancel
	if s := r.session; s != nil && s.signal != nil {
		s.signal.out.close() // the server replaces it
		s.signal = nil
	}
	r.running.Go(func() {
		defer cancel()
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return
		}
		if ending != nil {
			<-ending.drainedc // the server throws away what comes after the join
		}
		signal, first, single, err := r.dial(ctx, token, resume)
		sent := r.loop.send(func() {
			if r.restoring != w {
				if signal != nil {
					signal.abandon()
				}
				return
			}
			r.answered(w, resume != nil, signal, first, single, err)
		})
		if !sent && signal != nil {
			signal.abandon()
		}
	})
}

// endSession drops what a full reconnect replaces: the connections, and everybody
// else in the room. It returns the session that ends; nil if there is none.
func (r *Room) endSession() *session {
	s := r.session
	if s == nil {
		return nil
	}
	r.change(func() {
		for len(r.remotes) > 0 {
			r.removeParticipant(r.remotes[0], livekit.DisconnectReason_UNKNOWN_REASON)
		}
		r.local.speaking, r.local.level, r.speakers = false, 0, nil
	})
	r.streams.close() // what is on its way is lost with the session
	for _, pub := range r.local.pubs {
		pub.transceiver, pub.asked = nil, false
		if pub.announced {
			pub.announced = false
			r.emit(LocalTrackUnpublished{Publication: pub, Participant: r.local})
		}
	}
	r.session = nil
	s.close(livekit.DisconnectReason_CLIENT_INITIATED)
	r.running.Go(s.wait)
	return s
}

// answered goes on with what the server said to an attempt.
func (r *Room) answered(w *restoring, resume bool, signal *signalConn, first *livekit.SignalResponse, single bool, err error) {
	w.err = err
	if err != nil {
		r.log.Debug("reconnect", "attempt", w.attempt, "full", w.full, "error", err)
		if over, ok := errors.AsType[*LeaveError](err); ok {
			r.leave(over.Reason, nil)
			return
		}
		if refused := new(ConnectError); errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden) {
			r.leave(livekit.DisconnectReason_CONNECTION_TIMEOUT, err)
			return
		}
		r.attempt(w)
		return
	}
	switch m := first.GetMessage().(type) {
	case *livekit.SignalResponse_Reconnect:
		if resume && !w.full && r.session != nil {
			r.resume(w, signal, m.Reconnect)
			return
		}
	case *livekit.SignalResponse_Join:
		if join, err := joinOf(first); !resume && err == nil {
			r.rejoin(w, signal, join, single)
			return
		}
	case *livekit.SignalResponse_Leave:
		if m.Leave.GetAction() == livekit.LeaveRequest_DISCONNECT && !m.Leave.GetCanReconnect() {
			signal.abandon()
			r.leave(m.Leave.GetReason(), nil)
			return
		}
	}
	// The server does not know us any more, or answers something else.
	r.log.Debug("not resumed", "answer", first)
	signal.abandon()
	w.full = true
	r.attempt(w)
}

// resume goes on with the session over another signal connection.
func (r *Room) resume(w *restoring, signal *signalConn, m *livekit.ReconnectResponse) {
	s := r.session
	s.signal = signal
	if len(m.GetIceServers()) > 0 {
		s.iceServers = m.GetIceServers()
	}
	w.settling = &settling{session: s, settled: s.primary().settled, ufrag: s.primary().ufrag()}
	s.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_SyncState{SyncState: r.syncState(s)}})
	r.sendPermission()
	s.listen()
	for _, l := range s.links() {
		config := l.pc.GetConfiguration()
		config.ICEServers = append(iceServers(s.iceServers), r.opts.ICEServers...)
		if err := l.pc.SetConfiguration(config); err != nil {
			r.log.Debug("new ICE servers", "error", err)
		}
	}
	if s.pub != nil {
		if err := s.restartICE(s.pub); err != nil {
			r.log.Debug("restart ICE", "error", err)
			r.restore(true, w.reason)
			return
		}
	}
	r.repeatRequests()
	r.data.resume(m.GetLastMessageSeq())
	r.giveUpLater(w)
}

// restartICE offers new paths. An offer that got no answer is void.
func (s *session) restartICE(l *link) error {
	l.restart = true
	if l.offering && l.pc.SignalingState() == webrtc.SignalingStateHaveLocalOffer {
		applied := l.pc.CurrentRemoteDescription()
		if applied == nil {
			l.restart = false // there is no ICE to restart yet: the same offer once more
			s.sendOffer(l)
			return nil
		}
		// pion cannot roll back. The server's last answer fits all sections that
		// it knows of, and puts the connection back to where an offer can begin.
		l.next = append(l.offered, l.next...)
		l.offered = nil
		if err := l.pc.SetRemoteDescription(*applied); err != nil {
			return err
		}
	}
	l.offering = false
	return s.negotiate(l, nil)
}

// rejoin begins another session.
func (r *Room) rejoin(w *restoring, signal *signalConn, join *livekit.JoinResponse, single bool) {
	r.open(signal, join, single)
	if r.session == nil {
		return // failed
	}
	w.settling = &settling{session: r.session, watched: true}
	for _, pub := range r.local.pubs {
		r.request(addTrack(pub))
	}
	for _, u := range r.updates {
		r.request(updateRequest(u))
	}
	r.sendPermission()
	r.giveUpLater(w)
	r.session.maybeConnected()
}

// giveUpLater ends an attempt that does not get anywhere, and looks again at one
// that seems to be there already.
func (r *Room) giveUpLater(w *restoring) {
	this := w.settling
	watched := time.AfterFunc(settleTime, func() {
		r.loop.send(func() {
			if r.restoring == w && w.settling == this {
				this.watched = true
				this.session.maybeConnected()
			}
		})
	})
	late := time.AfterFunc(joinTimeout, func() {
		r.loop.send(func() {
			if r.restoring == w && w.settling == this {
				r.restore(true, w.reason)
			}
		})
	})
	this.timers = []*time.Timer{watched, late}
}

// maybeRestored says that the connection is restored, once it is.
func (r *Room) maybeRestored(s *session) {
	w := r.restoring
	if w.settling == nil || w.settling.session != s || s.signal == nil {
		return
	}
	if p := s.primary(); p.settled == w.settling.settled || !w.settling.watched && !p.foundSince(w.settling.ufrag) {
		return
	}
	w.settling.over()
	r.restoring = nil
	r.connected(Reconnected{Full: w.full})
	for _, p := range r.remotes {
		for _, pub := range p.pubs {
			if pub.settings != nil {
				r.request(&livekit.SignalRequest{Message: &livekit.SignalRequest_TrackSetting{TrackSetting: pub.settings}})
			}
		}
	}
}

// syncState tells the server what this end knows, so that both go on from there.
func (r *Room) syncState(s *session) *livekit.SyncState {
	m := &livekit.SyncState{
		Subscription:             &livekit.UpdateSubscription{Subscribe: r.opts.ManualSubscribe},
		DatachannelReceiveStates: r.data.received(),
		DataChannels:             r.data.channels(),
	}
	for _, p := range r.remotes {
		for _, pub := range p.pubs {
			if pub.wanted == r.opts.ManualSubscribe { // other than what the server would do
				m.Subscription.TrackSids = append(m.Subscription.TrackSids, pub.sid)
			}
			if pub.settings.GetDisabled() {
				m.TrackSidsDisabled = append(m.TrackSidsDisabled, pub.sid)
			}
		}
	}
	for _, pub := range r.local.pubs {
		if pub.transceiver != nil {
			m.PublishTracks = append(m.PublishTracks, &livekit.TrackPublishedResponse{Cid: pub.layers[0].id, Track: pub.info})
		}
	}
	ours, theirs := s.sub, s.sub
	if s.single {
		ours, theirs = s.pub, s.pub
	}
	m.Answer, m.Offer = description(ours.pc.LocalDescription()), description(theirs.pc.RemoteDescription())
	if s.single {
		m.Answer, m.Offer = m.Offer, m.Answer
	}
	return m
}

func description(d *webrtc.SessionDescription) *livekit.SessionDescription {
	if d == nil {
		return nil
	}
	return &livekit.SessionDescription{Type: d.Type.String(), Sdp: d.SDP}
}
