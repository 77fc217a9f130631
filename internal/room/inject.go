package room

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtcp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Injection is a participant without a client: the server speaks for it, and puts
// its packets where those of a client's connection would come in. For everybody
// else it is a participant like any other. Its methods may be called from anywhere.
type Injection struct {
	berth *berth
	sink  *injectionSink
	clock *uptrack.Clock // of all its tracks

	mu     sync.Mutex
	tracks []*Injected // mu guards; until Close
	closed bool        // mu guards
}

// Injected is a track of an Injection.
type Injected struct {
	injection *Injection
	receiver  *injectedReceiver
	inputs    []*uptrack.Input
	ssrcs     []uint32
	info      *livekit.TrackInfo // as it was published; immutable
}

// InjectedMedia is what a track is made of. Codec is required.
type InjectedMedia struct {
	Codec uptrack.Codec
	// Layers is how many streams of video there are, lowest first: one for 0, three at
	// most.
	Layers int
	// PlayoutDelay is how long receivers of video should wait, at least and at most,
	// before they show it, unless the room says; zeros: as they like.
	PlayoutDelay [2]time.Duration
	// AudioLevelExt is the id of the header extension of RFC 6464; 0 if packets
	// have none.
	AudioLevelExt uint8
	// OnKeyframe is called when somebody needs a key frame of a layer, at most
	// every half second for each. It must not block. May be nil.
	OnKeyframe func(layer int)
}

// InjectionHandler hears what the room does to an Injection. Nil functions hear
// nothing; none may block.
type InjectionHandler struct {
	// Gone is called once, when it is not in the room any more, whoever removed it.
	Gone func(livekit.DisconnectReason)
	// Muted says that the API mutes or unmutes a track.
	Muted func(trackSID string, muted bool)
	// Wanted says up to which layer anybody wants a track of video: -1 for none.
	Wanted func(trackSID string, layer int)
}

// Inject brings a participant in that has no client. Its transport is up from the
// start. It fails like Join.
func (g *Registry) Inject(ctx context.Context, req *Join, h InjectionHandler) (*Injection, error) {
	sink := &injectionSink{handler: h}
	req = injectedJoin(req)
	p, err := g.Join(ctx, req, sink)
	if err != nil {
		return nil, err
	}
	i := &Injection{berth: p.berth, sink: sink, clock: uptrack.SteadyClock()}
	i.berth.do(func(s *state, p *participant) {
		p.pubState = peer.Connected
		s.transportChanged(p, peer.Connected, true)
	})
	return i, nil
}

// injectedJoin is req as somebody asks for it who receives nothing.
func injectedJoin(req *Join) *Join {
	own := *req
	own.clientless = true
	own.AutoSubscribe, own.AutoSubscribeData, own.SinglePC = false, false, false
	own.Offer, own.AddTracks, own.RefreshToken = nil, nil, nil
	if own.Client == nil {
		own.Client = new(livekit.ClientInfo)
	}
	own.Permission = &livekit.ParticipantPermission{CanPublish: true}
	if p := req.Permission; p != nil {
		own.Permission.Hidden, own.Permission.CanPublishSources = p.Hidden, p.CanPublishSources
	}
	return &own
}

// Room returns the sid and the name of the room in which it is.
func (i *Injection) Room() (sid, name string) {
	r, _ := i.berth.where()
	return r.sid, r.name
}

// SID returns its participant's.
func (i *Injection) SID() string { return (&Participant{i.berth}).SID() }

// Publish makes a track known. No packet needs to have come.
//
// It fails with permission_denied for a source that it may not publish, with
// resource_exhausted for a track too many, and with not_found once it is gone.
func (i *Injection) Publish(ctx context.Context, req *livekit.AddTrackRequest, media InjectedMedia) (*Injected, error) {
	t := i.newTrack(req, media)
	var refused error = ErrParticipantNotFound
	room, p := i.berth.where()
	_, err := room.do(ctx, func(s *state) {
		if !p.gone {
			refused = s.publishInjected(p, t, req)
		}
	})
	if errors.Is(err, errClosed) {
		err = ErrParticipantNotFound
	}
	if err == nil {
		err = refused
	}
	if err == nil && !i.keep(t) {
		err = ErrParticipantNotFound
	}
	if err != nil {
		t.receiver.up.Close()
		return nil, err
	}
	return t, nil
}

// keep remembers a track, to close it in the end. It reports false after that.
func (i *Injection) keep(t *Injected) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.closed {
		i.tracks = append(i.tracks, t)
	}
	return !i.closed
}

// firstInjectedSSRC is that of the lowest layer. Subscribers see others.
const firstInjectedSSRC = 1

var injectedRIDs = [...]string{"q", "h", "f"}

func (i *Injection) newTrack(req *livekit.AddTrackRequest, media InjectedMedia) *Injected {
	layers := min(max(media.Layers, 1), len(injectedRIDs))
	t := &Injected{injection: i}
	up := uptrack.New(uptrack.Options{
		Codec: media.Codec, AudioLevelExt: media.AudioLevelExt, Clock: i.clock, PlayoutDelay: media.PlayoutDelay,
		WriteRTCP: func(pkts []rtcp.Packet) error {
			for _, pkt := range pkts {
				if pli, ok := pkt.(*rtcp.PictureLossIndication); ok && media.OnKeyframe != nil {
					media.OnKeyframe(int(pli.MediaSSRC - firstInjectedSSRC))
				}
			}
			return nil
		},
	})
	t.receiver = &injectedReceiver{id: req.Cid, codec: media.Codec, up: up}
	for n := range layers {
		info := uptrack.StreamInfo{SSRC: uint32(firstInjectedSSRC + n)}
		if layers > 1 {
			info.RID = injectedRIDs[n]
			t.receiver.rids = append(t.receiver.rids, info.RID)
		}
		t.inputs = append(t.inputs, up.AddStream(info))
		t.ssrcs = append(t.ssrcs, info.SSRC)
	}
	return t
}

func (s *state) publishInjected(p *participant, t *Injected, req *livekit.AddTrackRequest) error {
	switch {
	case !p.mayPublish(req.Type, req.Source):
		return &Error{PermissionDenied, "the participant may not publish this source"}
	case len(p.tracks)+len(p.pending) >= s.opts.Limits.MaxTracks:
		return &Error{ResourceExhausted, "too many tracks"}
	}
	if err := s.opts.Limits.check(req.Name, "", nil); err != nil {
		return err
	}
	published := &track{owner: p, cids: []string{req.Cid}, info: p.newTrackInfo(req)}
	s.publish(published, t.receiver)
	t.info = published.info
	return nil
}

// SID returns the track's.
func (t *Injected) SID() string { return t.info.Sid }

// Info returns the track as it was published. It is immutable.
func (t *Injected) Info() *livekit.TrackInfo { return t.info }

// SSRC is what packets of a layer carry.
func (t *Injected) SSRC(layer int) uint32 { return t.ssrcs[layer] }

// Together returns a batch for packets that are written one after the other, such as
// those of a frame, and what sends it.
func Together() (batch uptrack.Batch, send func()) { return peer.Together() }

// Write takes one RTP packet of a layer. It keeps nothing of it. One goroutine at a
// time may write to a layer. What is written after the end goes nowhere.
func (t *Injected) Write(layer int, packet []byte, batch uptrack.Batch) {
	t.inputs[layer].Receive(packet, batch)
}

// Report says which moment a timestamp of a layer stands for, in NTP time (RFC 3550
// §4) of any clock that the tracks of the injection share: that is how subscribers
// keep them in step.
func (t *Injected) Report(layer int, ntp uint64, timestamp uint32) {
	ssrc := t.ssrcs[layer]
	t.receiver.up.HandleRTCP(ssrc, []rtcp.Packet{&rtcp.SenderReport{SSRC: ssrc, NTPTime: ntp, RTPTime: timestamp}})
}

// Stats returns what came in.
func (t *Injected) Stats() uptrack.Stats { return t.receiver.up.Stats() }

// Resize says how large the pictures are.
func (t *Injected) Resize(width, height uint32) {
	t.injection.berth.post(func(s *state, p *participant) {
		if own := p.ownTrack(t.info.Sid); own != nil && (own.info.Width != width || own.info.Height != height) {
			s.changeTrack(own, func(info *livekit.TrackInfo) { info.Width, info.Height = width, height })
		}
	})
}

// Close unpublishes the track.
func (t *Injected) Close() {
	t.injection.berth.do(func(_ *state, p *participant) { p.receiverEnded(t.receiver) })
	t.receiver.up.Close()
}

// Close takes the participant out of the room, as if its client had left, and
// returns when it is gone. It is needed after Gone, too.
func (i *Injection) Close() {
	i.berth.do(func(s *state, p *participant) { s.remove(p, livekit.DisconnectReason_CLIENT_INITIATED) })
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	for _, t := range i.tracks {
		t.receiver.up.Close()
	}
	i.tracks = nil
}

// injectedReceiver is where packets of a track come in.
type injectedReceiver struct {
	id    string
	codec uptrack.Codec
	rids  []string
	up    *uptrack.UpTrack
}

// TrackID implements Receiver.
func (r *injectedReceiver) TrackID() string { return r.id }

// Mid implements Receiver.
func (r *injectedReceiver) Mid() string { return "" }

// Kind implements Receiver.
func (r *injectedReceiver) Kind() string {
	kind, _, _ := strings.Cut(strings.ToLower(r.codec.MimeType), "/")
	return kind
}

// MimeType implements Receiver.
func (r *injectedReceiver) MimeType() string { return r.codec.MimeType }

// Simulcast implements Receiver.
func (r *injectedReceiver) Simulcast() []string { return r.rids }

// UpTrack implements Receiver.
func (r *injectedReceiver) UpTrack() *uptrack.UpTrack { return r.up }

// injectionSink is where the room's messages for the client would go.
type injectionSink struct {
	handler InjectionHandler
	once    sync.Once
	mu      sync.Mutex
	reason  livekit.DisconnectReason // mu guards; of the last farewell
}

// Send implements Sink.
func (s *injectionSink) Send(m *Message) {
	switch m := m.Response.Message.(type) {
	case *livekit.SignalResponse_Leave:
		s.mu.Lock()
		s.reason = m.Leave.Reason
		s.mu.Unlock()
	case *livekit.SignalResponse_Mute:
		if s.handler.Muted != nil {
			s.handler.Muted(m.Mute.Sid, m.Mute.Muted)
		}
	case *livekit.SignalResponse_SubscribedQualityUpdate:
		if s.handler.Wanted != nil {
			s.handler.Wanted(m.SubscribedQualityUpdate.TrackSid, topOf(m.SubscribedQualityUpdate.SubscribedQualities)) //nolint:staticcheck // without codecs they are these
		}
	}
}

// topOf is the highest layer of those that are wanted, -1 for none.
func topOf(qualities []*livekit.SubscribedQuality) int {
	top := -1
	for _, q := range qualities {
		if q.Enabled {
			top = max(top, int(q.Quality))
		}
	}
	return top
}

// Close implements Sink: the participant is gone.
func (s *injectionSink) Close() {
	s.once.Do(func() {
		s.mu.Lock()
		reason := s.reason
		s.mu.Unlock()
		if s.handler.Gone != nil {
			s.handler.Gone(reason)
		}
	})
}

// LastPacket is when a packet came last on any layer; zero before the first.
func (t *Injected) LastPacket() (last time.Time) {
	for _, l := range t.receiver.up.Stats().Layers {
		if l.LastPacket.After(last) {
			last = l.LastPacket
		}
	}
	return last
}
