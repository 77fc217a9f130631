package whip

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/source"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// session is one client: what it is to the room, and what the room is to it.
type session struct {
	h       *Handler
	id      string           // immutable; the last part of its URL, which nobody guesses
	secret  string           // immutable; what admitted it in a header, or ""
	ingress *ingress.Session // immutable; nil if a token admitted it
	join    *room.Join       // immutable
	rooms   Rooms            // immutable; where it joins
	encodes bool             // immutable; what comes is encoded anew, for a participant of its own

	sizes map[streamOf]seen // of pictures; run only

	gone chan struct{} // closed when the participant is
	why  livekit.DisconnectReason

	turn sync.Mutex // one negotiation at a time

	mu      sync.Mutex
	p       *room.Participant    // mu guards; nil before it has joined
	offer   *offer               // mu guards; the last one
	etag    string               // mu guards; of its ICE session
	id32    uint32               // mu guards; of the last offer
	servers []*livekit.ICEServer // mu guards
	pending *negotiation         // mu guards; the answer that is waited for
	media   source.Media         // mu guards; what the client sends, if it is encoded
	severed bool                 // mu guards; the room has cut the line, and waits for a restart

	restarted string // mu guards; what answered the restart that the offer is of
}

// negotiation is what answers an offer.
type negotiation struct {
	id     uint32
	answer string
	err    error
	donec  chan struct{}
}

func (n *negotiation) finish(err error) {
	select {
	case <-n.donec:
	default:
		n.err = err
		close(n.donec)
	}
}

// answerPatience is how long the room may take to answer an offer.
const answerPatience = 10 * time.Second

var (
	errRefused  = errors.New("the offer cannot be answered: is there a codec that the room takes?")
	errGone     = errors.New("the session is over")
	errPatience = errors.New("the room did not answer in time")
)

func newSession(h *Handler, join *room.Join, o *offer, secret string, in *ingress.Session) *session {
	s := &session{h: h, id: rand.Text(), secret: secret, ingress: in, join: join, offer: o, etag: newETag(), gone: make(chan struct{})}
	s.rooms = h.opts.Rooms
	if s.encodes = in != nil && in.Info().GetEnableTranscoding(); s.encodes {
		// Its participant in the room is that of what is made of it.
		s.rooms, join.Room = h.opts.Backstage, in.ID()
	}
	join.Stages = s
	join.Client = &livekit.ClientInfo{Protocol: protocol, Version: join.Client.GetVersion(), Address: join.Client.GetAddress()}
	join.SinglePC, join.AutoSubscribe, join.AutoSubscribeData, join.RefreshToken = false, false, false, nil
	join.Permission = proto.CloneOf(join.Permission)
	join.Permission.CanSubscribe = false // nothing is sent to it
	return s
}

func newETag() string { return `"` + rand.Text()[:16] + `"` }

// protocol is the version of signalling that a session is said to speak: the last
// whose clients cannot be moved to another room.
const protocol = 15

// begin joins with the offer, and returns the answer.
func (s *session) begin(ctx context.Context) (answer string, err error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	n := s.expect()
	s.join.Offer = &livekit.SessionDescription{Type: "offer", Sdp: s.offer.text, Id: n.id}
	s.join.AddTracks = s.offer.tracks
	p, err := s.rooms.Join(ctx, s.join, s)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.p = p
	s.mu.Unlock()
	if s.ingress != nil && !s.encodes {
		if err := s.ingress.Attach(presence{p}); err != nil {
			return "", err
		}
	}
	if err := s.await(ctx, n); err != nil {
		return "", err
	}
	if s.encodes {
		media, err := mediaOf(n.answer, s.offer)
		if err != nil {
			return "", err
		}
		s.mu.Lock()
		s.media = media
		s.mu.Unlock()
	}
	return n.answer, nil
}

// restart begins a new ICE session, and returns our side of it. Who asks again for the
// same one is told the same. Once the room has the offer it is gone through with,
// also if the request is over.
func (s *session) restart(ctx context.Context, f *fragment) (text, etag string, err error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	if s.restarted != "" && f.ufrag == s.offer.ufrag {
		defer s.trickle(f)
		defer s.mu.Unlock()
		return s.restarted, s.etag, nil
	}
	next, err := s.offer.restarted(f.ufrag, f.pwd)
	p, severed := s.p, s.severed
	s.mu.Unlock()
	if err != nil {
		return "", "", err
	}
	n := s.expect()
	if severed {
		again := *s.join
		again.Offer, again.AddTracks = nil, nil
		if p, err = s.rooms.Resume(ctx, &again, p.SID(), s); err != nil {
			return "", "", fmt.Errorf("%w: %w", errGone, err)
		}
		s.mu.Lock()
		s.p, s.severed = p, false
		s.mu.Unlock()
	}
	p.Handle(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{
		Offer: &livekit.SessionDescription{Type: "offer", Sdp: next.text, Id: n.id},
	}})
	if err := s.await(context.WithoutCancel(ctx), n); err != nil {
		return "", "", err
	}
	ufrag, pwd, candidates, err := transportOf(n.answer)
	if err != nil {
		return "", "", err
	}
	s.mu.Lock()
	s.offer, s.etag, s.restarted = next, newETag(), writeFragment(ufrag, pwd, candidates)
	text, etag = s.restarted, s.etag
	s.mu.Unlock()
	s.trickle(f)
	return text, etag, nil
}

// trickle hands candidates on.
func (s *session) trickle(f *fragment) {
	s.mu.Lock()
	p, ufrag := s.p, s.offer.ufrag
	s.mu.Unlock()
	for _, c := range f.candidates {
		init, err := json.Marshal(map[string]any{"candidate": c.line, "sdpMid": c.mid, "usernameFragment": ufrag})
		if err != nil {
			panic("BUG: encode candidate: " + err.Error())
		}
		p.Handle(&livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{Trickle: &livekit.TrickleRequest{
			CandidateInit: string(init), Target: livekit.SignalTarget_PUBLISHER,
		}}})
	}
}

// expect prepares for the answer to the next offer.
func (s *session) expect() *negotiation {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id32++
	s.pending = &negotiation{id: s.id32, donec: make(chan struct{})}
	return s.pending
}

func (s *session) await(ctx context.Context, n *negotiation) error {
	timer := time.NewTimer(answerPatience)
	defer timer.Stop()
	select {
	case <-n.donec:
		return n.err
	case <-s.gone:
		return errGone
	case <-timer.C:
		return errPatience
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Send implements room.Sink.
func (s *session) Send(m *room.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.pending
	switch m := m.Response.Message.(type) {
	case *livekit.SignalResponse_Join:
		s.servers = m.Join.IceServers
	case *livekit.SignalResponse_Answer:
		if n != nil && m.Answer.Id == n.id {
			n.answer = m.Answer.Sdp
			n.finish(nil)
		}
	case *livekit.SignalResponse_Leave:
		s.severed = m.Leave.Action == livekit.LeaveRequest_RESUME
		if n != nil && !s.severed {
			n.finish(errRefused)
		}
	}
}

// Close implements room.Sink. Whether the participant is gone with the line, Gone
// says.
func (s *session) Close() {}

// Accepted implements room.Stages.
func (s *session) Accepted(string, string) {}

// Reachable implements room.Stages.
func (s *session) Reachable() {}

// Joined implements room.Stages.
func (s *session) Joined() {}

// FirstMedia implements room.Stages.
func (s *session) FirstMedia() {}

// Gone implements room.Stages.
func (s *session) Gone(_ bool, reason string) {
	s.why = livekit.DisconnectReason(livekit.DisconnectReason_value[reason])
	close(s.gone)
}

// watchInterval is how often is looked at what comes in.
const watchInterval = 250 * time.Millisecond

// run watches over the session to its end.
func (s *session) run() {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	var over <-chan struct{}
	if s.ingress != nil {
		over = s.ingress.Ended()
	}
	failed, stop := s.startEncoding()
	defer stop()
	for {
		select {
		case <-s.gone:
			stop()
			if s.ingress != nil {
				s.ingress.End(ingress.Removal(s.why))
			}
			return
		case <-over:
			over = nil // its participant is on its way out
			if s.encodes {
				s.participant().Leave()
			}
		case err := <-failed:
			failed = nil
			s.ingress.End(err)
		case <-ticker.C:
			if s.ingress != nil && !s.encodes {
				s.ingress.Observe(s.observe())
			}
		}
	}
}

// observe measures what the client publishes.
func (s *session) observe() (o ingress.Observation) {
	if s.sizes == nil {
		s.sizes = make(map[streamOf]seen)
	}
	now := time.Now()
	for _, t := range s.participant().Published() {
		o.Tracks = append(o.Tracks, t.Info)
		rate, frames, octets := uint32(0), 0.0, uint64(0)
		largest := size{int(t.Info.Width), int(t.Info.Height)}
		for _, l := range t.Up.Stats().Layers {
			if l.LastPacket.After(o.Last) {
				o.Last = l.LastPacket
			}
			rate += uint32(l.Bitrate)
			octets += l.Octets
			if is := s.sizeOf(t.Info.Sid, t.Up, l); is.width > largest.width {
				largest = is
			}
			for _, f := range t.Up.FrameRates(l.Layer, now) {
				frames = max(frames, f)
			}
		}
		codec := t.Up.Codec()
		if t.Info.Type == livekit.TrackType_AUDIO {
			if o.Audio == nil {
				o.Audio = &livekit.InputAudioState{MimeType: codec.MimeType, Channels: uint32(codec.Channels), SampleRate: codec.ClockRate}
			}
			o.Audio.AverageBitrate += rate
			o.AudioBytes += octets
			continue
		}
		if o.Video == nil {
			o.Video = &livekit.InputVideoState{MimeType: codec.MimeType, Width: uint32(largest.width), Height: uint32(largest.height), Framerate: frames}
		}
		o.Video.AverageBitrate += rate
		o.VideoBytes += octets
	}
	return o
}

// streamOf is a layer of a track.
type streamOf struct {
	track string
	layer int
}

// sizeOf is how large pictures of a layer are: each key frame may have another size.
func (s *session) sizeOf(track string, up *uptrack.UpTrack, l uptrack.LayerStats) size {
	at := streamOf{track, l.Layer}
	was := s.sizes[at]
	if l.KeyframeSeq == 0 || l.KeyframeSeq == was.keyframe {
		return was.size
	}
	if is := sizeOf(up, l); is != (size{}) {
		was.size = is
	}
	s.sizes[at] = seen{l.KeyframeSeq, was.size}
	return was.size
}

// presence is the session's participant as its endpoint sees it.
type presence struct{ p *room.Participant }

// Room implements ingress.Presence.
func (p presence) Room() (sid, name string) { return p.p.Room() }

// Close implements ingress.Presence.
func (p presence) Close() { p.p.Leave() }

// end is the client's own goodbye, or what is left of one that was not let in.
func (s *session) end(cause error) {
	if s.ingress != nil {
		s.ingress.End(cause)
		if !s.encodes {
			return
		}
	}
	if p := s.participant(); p != nil {
		p.Leave()
	}
}

// participant is nil before it has joined.
func (s *session) participant() *room.Participant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.p
}

// allows says whether who shows this secret, or none, may change the session. Its
// URL is a secret itself.
func (s *session) allows(secret string) bool {
	return secret == "" || s.secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(s.secret)) == 1
}

// links are the ICE servers as header fields (RFC 9725 §4.6).
func (s *session) links() (links []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, server := range s.servers {
		for _, u := range server.Urls {
			link := fmt.Sprintf("<%s>; rel=\"ice-server\"", u)
			if server.Username != "" {
				link += fmt.Sprintf("; username=%q; credential=%q; credential-type=\"password\"", server.Username, server.Credential)
			}
			links = append(links, strings.Map(printable, link))
		}
	}
	return links
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}
