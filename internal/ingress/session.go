package ingress

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

const (
	// silentAfter is how long a live source must have been silent before another
	// connection with its key takes its place.
	silentAfter = time.Second
	// stallAfter is how long a source must have been silent to be BUFFERING again.
	stallAfter = 2 * time.Second
	// watchInterval is how often that is looked at.
	watchInterval = 250 * time.Millisecond
)

// Session is one connection of a source to its endpoint. Its states:
//
//	buffering   admitted; joining the room, or silent for a while
//	publishing  media flows
//	ended       one of inactive, error, complete; for good
//
// Its methods may be called from anywhere.
type Session struct {
	s        *Service             // immutable
	endpoint *endpoint            // immutable; Service.mu guards what is in it
	id       string               // immutable
	info     *livekit.IngressInfo // immutable; as it was when the session began
	began    time.Time            // immutable

	expects atomic.Int64 // more tracks, until so many nanoseconds after began
	heard   atomic.Int64 // when media came last, nanoseconds after began, which no step of the clock moves
	media   atomic.Bool  // some has come
	clock   mediaClock

	endOnce sync.Once
	ended   chan struct{} // closed when it is over
	cause   error         // immutable once ended is closed

	mu       sync.Mutex
	presence Presence // mu guards; nil before it joins, and after the end
	over     bool     // mu guards
	tracks   []*Track // mu guards

	observed struct{ audio, video uint64 } // bytes; of Observe

	// under Service.mu
	started bool // ingress_started was told
}

// clientProtocol is the version of signalling that participants are said to speak:
// the last whose clients cannot be moved to another room, which endpoints name.
const clientProtocol = 15

// Presence is the participant of a session.
type Presence interface {
	// Room returns the sid and the name of the room.
	Room() (sid, name string)
	// Close removes the participant, and returns when it is gone.
	Close()
}

// begin makes a session of an endpoint that has none; Service.mu must be held, and
// the endpoint be kept after it.
func (s *Service) begin(e *endpoint) *Session {
	now := time.Now()
	session := &Session{s: s, endpoint: e, id: "RT_" + rand.Text()[:12], began: now, ended: make(chan struct{})}
	e.session, e.room, e.settled = session, e.info.RoomName, false
	e.after = s.opts.Log.Last()
	e.change(func(state *livekit.IngressState) {
		proto.Reset(state)
		state.Status, state.ResourceId, state.StartedAt = livekit.IngressState_ENDPOINT_BUFFERING, session.id, now.UnixNano()
	})
	session.info = e.info
	s.tally.begun[e.info.InputType].Add(1)
	return session
}

// ID is the session's, with which events and the API tell it apart: resource_id.
func (x *Session) ID() string { return x.id }

// Info is the endpoint as it was when the session began. It is immutable.
func (x *Session) Info() *livekit.IngressInfo { return x.info }

// Ended is closed when the session is over, whoever ended it: the input then closes
// its connection. Cause says why; it is nil for one that ended in good order.
func (x *Session) Ended() <-chan struct{} { return x.ended }

// Cause is for after Ended.
func (x *Session) Cause() error { return x.cause }

// JoinRequest is how the session's participant comes into the room.
func (x *Session) JoinRequest() *room.Join {
	info := x.info
	return &room.Join{
		Room: info.RoomName, Identity: info.ParticipantIdentity, Name: info.ParticipantName, Metadata: info.ParticipantMetadata,
		Attributes: map[string]string{livekit.AttrIngressID: info.IngressId},
		Kind:       livekit.ParticipantInfo_INGRESS,
		Permission: &livekit.ParticipantPermission{CanPublish: true, CanUpdateMetadata: true},
		Client:     &livekit.ClientInfo{Protocol: clientProtocol},
		TokenFrom:  time.Now(),
	}
}

// Join brings the participant into the room, which is made if there is none. The
// session ends if it is removed.
func (x *Session) Join(ctx context.Context) error {
	injection, err := x.s.opts.Rooms.Inject(ctx, x.JoinRequest(), room.InjectionHandler{Gone: x.removed, Muted: x.muted})
	if err != nil {
		return fmt.Errorf("join room %.64q: %w", x.info.RoomName, err)
	}
	return x.Attach(injection)
}

// Attach is Join for an input whose participant has a client of its own, made by
// JoinRequest; Observe then says what comes. The participant is removed at once if
// the session is over, and the error is ErrEnded.
func (x *Session) Attach(p Presence) error {
	x.mu.Lock()
	if x.over {
		x.mu.Unlock()
		p.Close()
		return ErrEnded
	}
	x.presence = p
	x.mu.Unlock()
	sid, _ := p.Room()
	x.change(func(state *livekit.IngressState) { state.RoomId = sid })
	return nil
}

// removed hears from the room that the participant is gone.
func (x *Session) removed(why livekit.DisconnectReason) {
	// Not on the goroutine of the room, which End waits for.
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if !x.s.stopping {
		x.s.working.Go(func() { x.End(Removal(why)) })
	}
}

// Removal says in words why a participant was removed from its room; nil for a
// goodbye.
func Removal(why livekit.DisconnectReason) error {
	switch why {
	case livekit.DisconnectReason_ROOM_DELETED:
		return ErrRoomDeleted
	case livekit.DisconnectReason_PARTICIPANT_REMOVED:
		return ErrRemoved
	case livekit.DisconnectReason_DUPLICATE_IDENTITY:
		return ErrDuplicate
	case livekit.DisconnectReason_SERVER_SHUTDOWN:
		return ErrStopping
	case livekit.DisconnectReason_JOIN_FAILURE:
		return errors.New("no connection to the source came up: is UDP let through?")
	case livekit.DisconnectReason_UNKNOWN_REASON, livekit.DisconnectReason_CLIENT_INITIATED:
		return nil
	}
	return errors.New("the connection to the source was lost")
}

// change replaces the endpoint's state, if the session is not over, and has it kept.
func (x *Session) change(f func(*livekit.IngressState)) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if x.endpoint.session == x {
		x.endpoint.change(f)
		x.endpoint.keep()
	}
}

// note is change for figures that need not be kept.
func (x *Session) note(f func(*livekit.IngressState)) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if x.endpoint.session == x {
		x.endpoint.change(f)
	}
}

// SetVideo says what arrives as video: a MIME type or the name of a codec, and the
// size of pictures and frames a second, 0 if not known. The bitrate is measured.
func (x *Session) SetVideo(mime string, width, height uint32, framerate float64) {
	x.note(func(state *livekit.IngressState) {
		rate := state.Video.GetAverageBitrate()
		state.Video = &livekit.InputVideoState{MimeType: mime, Width: width, Height: height, Framerate: framerate, AverageBitrate: rate}
	})
}

// SetAudio says what arrives as sound.
func (x *Session) SetAudio(mime string, channels, sampleRate uint32) {
	x.note(func(state *livekit.IngressState) {
		rate := state.Audio.GetAverageBitrate()
		state.Audio = &livekit.InputAudioState{MimeType: mime, Channels: channels, SampleRate: sampleRate, AverageBitrate: rate}
	})
}

// Alive says that something came of the source, as WriteSample and WriteRTP do:
// for an input that has to wait for more before it can write.
func (x *Session) Alive() { x.heard.Store(int64(time.Since(x.began))) }

// Expects says that more tracks may be published for so long: until then ingress_started
// is not told, so that it has all of them. Sound need not wait for pictures then. 0: all
// are there.
func (x *Session) Expects(more time.Duration) {
	until := time.Duration(0)
	if more > 0 {
		until = time.Since(x.began) + more
	}
	x.expects.Store(int64(until))
}

// silence is how long nothing has come.
func (x *Session) silence(now time.Time) time.Duration {
	return now.Sub(x.began) - time.Duration(x.heard.Load())
}

// flows says that media has come; the first time the session is publishing.
func (x *Session) flows() {
	x.Alive()
	if x.media.Load() {
		return
	}
	if until := time.Duration(x.expects.Load()); until > 0 && time.Since(x.began) < until {
		return
	}
	if !x.media.CompareAndSwap(false, true) {
		return
	}
	x.publishes(nil)
}

// publishes marks the session as publishing, and tells so the first time. Nil tracks are
// those that Publish has made.
func (x *Session) publishes(tracks []*livekit.TrackInfo) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	e := x.endpoint
	if e.session != x || e.info.State.Status == livekit.IngressState_ENDPOINT_PUBLISHING {
		return
	}
	if tracks == nil && !x.started {
		tracks = x.infos() // under the lock: came names one that is published meanwhile
	}
	e.change(func(state *livekit.IngressState) {
		state.Status = livekit.IngressState_ENDPOINT_PUBLISHING
		if tracks != nil {
			state.Tracks = tracks
		}
	})
	if x.started {
		e.keep()
		return
	}
	x.started = true
	x.s.tally.first.Observe(time.Since(x.began))
	e.tell(event.Event{Name: event.IngressStarted, Actor: event.ActorClient})
	x.s.opts.Logger.Info("ingress publishes", "ingress", e.info.IngressId, "session", x.id, "room", e.room, "room_sid", e.info.State.RoomId, "tracks", len(tracks))
}

// Observation is what comes on a participant's own connection.
type Observation struct {
	Last   time.Time // when a packet came last; zero: none has
	Tracks []*livekit.TrackInfo
	// AudioBytes and VideoBytes are what has come so far.
	AudioBytes, VideoBytes uint64

	Audio *livekit.InputAudioState // nil: there is none
	Video *livekit.InputVideoState
}

// Observe says what comes of a participant that was attached, several times a second,
// by one goroutine.
func (x *Session) Observe(o Observation) {
	if o.Last.IsZero() {
		return
	}
	x.heard.Store(max(x.heard.Load(), int64(o.Last.Sub(x.began))))
	x.note(func(state *livekit.IngressState) { state.Audio, state.Video = o.Audio, o.Video })
	// A track that is gone takes its bytes with it.
	x.Received(false, int(max(o.AudioBytes, x.observed.audio)-x.observed.audio))
	x.Received(true, int(max(o.VideoBytes, x.observed.video)-x.observed.video))
	x.observed.audio, x.observed.video = o.AudioBytes, o.VideoBytes
	if x.silence(time.Now()) < stallAfter {
		x.publishes(o.Tracks)
		x.media.Store(true)
	}
}

// infos are the tracks as they were published.
func (x *Session) infos() []*livekit.TrackInfo {
	x.mu.Lock()
	defer x.mu.Unlock()
	infos := make([]*livekit.TrackInfo, 0, len(x.tracks))
	for _, t := range x.tracks {
		infos = append(infos, t.Info())
	}
	return infos
}

// End ends the session: with nil in good order, else for a reason that people are
// shown. The participant leaves, then ingress_ended is told; only the first call
// counts, and the others return when that is done.
func (x *Session) End(cause error) {
	x.endOnce.Do(func() { x.end(cause) })
	<-x.ended
}

func (x *Session) end(cause error) {
	x.cause = cause
	defer close(x.ended)
	x.mu.Lock()
	x.over = true
	p := x.presence
	x.presence = nil
	x.mu.Unlock()
	if p != nil {
		p.Close()
	}
	s, e := x.s, x.endpoint
	s.mu.Lock()
	status, text := outcome(e.info.Reusable, cause)
	own := ""
	if e.info.InputType == livekit.IngressInput_URL_INPUT {
		own = e.info.Url
	}
	text = redact(text, own)
	if key := e.info.StreamKey; key != "" {
		text = strings.ReplaceAll(text, key, "{stream key}") // what a library says may quote it
	}
	text = legible(text)
	e.change(func(state *livekit.IngressState) {
		state.Status, state.Error, state.EndedAt = status, text, time.Now().UnixNano()
	})
	s.tally.end(e.info.InputType, status)
	actor, why := causeOf(cause)
	e.session = nil
	seq := e.tell(event.Event{Name: event.IngressEnded, Actor: actor, Reason: why})
	id, in := e.info.IngressId, e.room
	s.mu.Unlock()
	s.opts.Logger.Info("ingress ended", "ingress", id, "session", x.id, "room", in, "status", status.String(), "error", text)
	e.settle(x.id, seq)
}

// outcome is how an endpoint is after a session that ended so.
func outcome(reusable bool, cause error) (livekit.IngressState_Status, string) {
	switch {
	case cause == nil && !reusable:
		return livekit.IngressState_ENDPOINT_COMPLETE, ""
	case cause == nil, reusable && (errors.Is(cause, ErrReplaced) || errors.Is(cause, ErrDeleted) || errors.Is(cause, ErrStopping)):
		return livekit.IngressState_ENDPOINT_INACTIVE, ""
	case errors.Is(cause, ErrDeleted):
		return livekit.IngressState_ENDPOINT_INACTIVE, ""
	case errors.Is(cause, ErrRoomDeleted), errors.Is(cause, ErrRemoved):
		return livekit.IngressState_ENDPOINT_INACTIVE, cause.Error() // no failure, but who looks wants to know
	}
	return livekit.IngressState_ENDPOINT_ERROR, cause.Error()
}

// causeOf is who ended a session, and a word for why.
func causeOf(cause error) (event.Actor, string) {
	switch {
	case cause == nil:
		return event.ActorClient, "source_closed"
	case errors.Is(cause, ErrReplaced):
		return event.ActorClient, "replaced"
	case errors.Is(cause, ErrDeleted):
		return event.ActorAPI, "deleted"
	case errors.Is(cause, ErrRoomDeleted):
		return event.ActorAPI, "room_deleted"
	case errors.Is(cause, ErrRemoved):
		return event.ActorAPI, "participant_removed"
	case errors.Is(cause, ErrDuplicate):
		return event.ActorClient, "duplicate_identity"
	case errors.Is(cause, ErrStopping):
		return event.ActorServer, "server_stopped"
	}
	return event.ActorServer, "failed"
}

// watchSessions marks sessions whose sources fall silent, and measures what comes.
func (s *Service) watchSessions() {
	for {
		select {
		case <-s.donec:
			return
		case now := <-s.watch.C:
			s.mu.Lock()
			var live []*Session
			for e := range maps.Values(s.endpoints) {
				if e.session != nil {
					live = append(live, e.session)
				}
			}
			s.mu.Unlock()
			for _, x := range live {
				x.look(now)
			}
		}
	}
}

// look marks the session as buffering or publishing, by when media came last.
func (x *Session) look(now time.Time) {
	if !x.media.Load() {
		return
	}
	if x.measure(); x.silence(now) < stallAfter {
		x.publishes(nil)
		return
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	e := x.endpoint
	if e.session == x && e.info.State.Status == livekit.IngressState_ENDPOINT_PUBLISHING {
		e.change(func(state *livekit.IngressState) { state.Status = livekit.IngressState_ENDPOINT_BUFFERING })
		e.keep()
		x.s.opts.Logger.Info("ingress is silent", "ingress", e.info.IngressId, "session", x.id, "room", e.room)
	}
}

// measure notes the bitrates of what comes.
func (x *Session) measure() {
	var audio, video uint32
	x.mu.Lock()
	for _, t := range x.tracks {
		if rate := t.bitrate(); t.Info().Type == livekit.TrackType_AUDIO {
			audio += rate
		} else {
			video += rate
		}
	}
	none := len(x.tracks) == 0
	x.mu.Unlock()
	if none {
		return
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if e := x.endpoint; e.session == x && (audio != e.info.State.Audio.GetAverageBitrate() || video != e.info.State.Video.GetAverageBitrate()) {
		e.change(func(state *livekit.IngressState) {
			if state.Audio != nil {
				state.Audio.AverageBitrate = audio
			}
			if state.Video != nil {
				state.Video.AverageBitrate = video
			}
		})
	}
}
