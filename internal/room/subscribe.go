package room

import (
	"slices"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// subscription is one track on its way to one participant.
type subscription struct {
	track  *track
	sender Sender
	sent   uint64 // packets, when last judged
	backup bool   // the client does not decode the track's first codec
	wish   uint32 // the client's priority, 1 the highest; 0: none

	demanded int                 // the highest layer it asks for, as counted in track.demand
	stream   livekit.StreamState // as last told, if told is set
	told     bool
}

// trackPermissions says who may subscribe to a participant's tracks, as its
// client last set it.
type trackPermissions struct {
	everybody bool
	all       map[string]bool            // identities that may have every track
	some      map[string]map[string]bool // identity -> track sids
}

// openSubscriber makes the connection on which p receives.
func (p *participant) openSubscriber() error {
	sub, err := p.state.opts.Media.NewSubscriber(peer.SubscriberOptions{
		Handler:       &connection{p.berth},
		AllowPause:    p.mayPause(),
		PlayoutDelay:  p.state.playoutDelay,
		FullICE:       p.req.fullICE(),
		TCPOnly:       p.way == livekit.CandidateProtocol_TCP,
		FreshSections: p.req.freshSections(),
		Logger:        p.log,
	})
	if err != nil {
		p.log.Error("open subscriber connection", "error", err)
		return &Error{Internal, "cannot open a peer connection"}
	}
	p.subscriber = sub
	return nil
}

// beginSubscriber makes the first offer to p, in the same turn if it can be.
func (p *participant) beginSubscriber() {
	sdp, id, ok := p.subscriber.Begin()
	if !ok {
		p.subscriber.Negotiate()
		return
	}
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_Offer{Offer: description("offer", sdp, id, nil)}})
}

// mayPause says whether video that does not fit may be paused.
func (p *participant) mayPause() bool {
	if allow := p.req.AllowPause; allow != nil {
		return *allow
	}
	return !p.state.opts.Defaults.KeepVideo
}

// openDuplex makes the one connection of a client that has no other.
func (p *participant) openDuplex() error {
	d, err := p.state.opts.Media.NewDuplex(peer.DuplexOptions{
		Handler:      &connection{p.berth},
		Codecs:       p.state.enabledCodecs(),
		AllowPause:   p.mayPause(),
		PlayoutDelay: p.state.playoutDelay,
		FullICE:      p.req.fullICE(),
		TCPOnly:      p.way == livekit.CandidateProtocol_TCP,
		KeepsSpares:  p.req.rustCore(), // a reminder that meets its offer does harm (see turns)
		NeverAsks:    p.req.neverAsks(),
		Logger:       p.log,
	})
	if err != nil {
		p.log.Error("open connection", "error", err)
		return &Error{Internal, "cannot open a peer connection"}
	}
	p.publisher, p.duplex = d, d
	return nil
}

// outgoing is the connection that carries tracks to p; nil if there is none.
func (p *participant) outgoing() Tracks {
	switch {
	case p.duplex != nil:
		return p.duplex
	case p.subscriber != nil:
		return p.subscriber
	}
	return nil
}

// mayReceive says whether p may have t, apart from its wish.
func (p *participant) mayReceive(t *track) bool {
	return p.permission.CanSubscribe && p.forwarding == nil && t.owner != p && t.owner.visible() && !p.gone
}

// allows says whether the publisher lets p have the track. Recorders are exempt.
func (publisher *participant) allows(p *participant, sid string) bool {
	rules := publisher.permissions
	return rules == nil || rules.everybody || p.recorder() ||
		rules.all[p.identity] || rules.some[p.identity][sid]
}

// reconcile makes p's subscription to t what it should be now.
func (p *participant) reconcile(t *track) {
	wanted, chosen := p.wanted[t.info.Sid]
	if !chosen {
		wanted = p.req.AutoSubscribe
	}
	if !wanted || !p.mayReceive(t) {
		p.unsubscribe(t)
		return
	}
	allowed := t.owner.allows(p, t.info.Sid)
	if denied := p.denied[t.info.Sid].denied; denied == allowed {
		// The first refusal, a new one, or its end.
		p.setDenied(t, !allowed)
	}
	if !allowed {
		p.unsubscribe(t)
		return
	}
	p.subscribe(t)
}

// setDenied remembers and tells that the publisher does or does not allow p a track.
func (p *participant) setDenied(t *track, denied bool) {
	if p.denied == nil {
		p.denied = make(map[string]denial)
	}
	p.denied[t.info.Sid] = denial{denied, p.state.now}
	p.tellDenied(t, denied)
}

// denial says whether a publisher denies a track, and since when.
type denial struct {
	denied bool
	at     time.Time
}

// tellDenials repeats what p was told since then of tracks that it may not have, or may
// have again.
func (p *participant) tellDenials(since time.Time) {
	for sid, d := range p.denied {
		if t := p.state.tracks[sid]; t != nil && d.at.After(since) {
			p.tellDenied(t, d.denied)
		}
	}
}

func (p *participant) tellDenied(t *track, denied bool) {
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_SubscriptionPermissionUpdate{
		SubscriptionPermissionUpdate: &livekit.SubscriptionPermissionUpdate{
			ParticipantSid: t.owner.sid, TrackSid: t.info.Sid, Allowed: !denied,
		},
	}})
}

// reconcileSubscriptions does it for every track of the room.
func (p *participant) reconcileSubscriptions() {
	if p.gone {
		return
	}
	for _, owner := range p.state.inOrder {
		for _, t := range owner.tracks {
			p.reconcile(t)
		}
	}
}

// subscribe starts forwarding t to p.
func (p *participant) subscribe(t *track) {
	if p.subscriptions[t.info.Sid] != nil {
		return
	}
	if p.outgoing() == nil {
		if err := p.openSubscriber(); err != nil {
			return
		}
		// It came without the permission and got it now.
		defer p.subscriber.Negotiate()
	}
	sender, err := p.outgoing().AddTrack(p.streamOf(t), t.info.Sid, t.receiver.UpTrack())
	if err != nil {
		p.log.Warn("subscribe", "track", t.info.Sid, "error", err)
		return
	}
	sub := &subscription{track: t, sender: sender, demanded: nothing}
	p.subscriptions[t.info.Sid] = sub
	p.state.opts.census.subscriptions.Add(1)
	if settings := p.settings[t.info.Sid]; settings != nil {
		sub.apply(settings)
	} else {
		sub.prioritize()
		sub.demands(sub.wished())
	}
	p.voiceHeard(t.owner)
	p.session.subscribed++
	if p.joined {
		p.mediaFlows()
	}
	if !t.subscribed {
		t.subscribed = true
		t.owner.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_TrackSubscribed{
			TrackSubscribed: &livekit.TrackSubscribed{TrackSid: t.info.Sid},
		}})
	}
}

// syncProtocol is the first protocol whose clients find a track by its own id when
// its stream is not its own.
const syncProtocol = 10

// streamOf names the media stream in which p's client gets t: one of its own or,
// in a room that wants it and of an encoder, one together with what is to be played in
// step with it. An encoder's sound is often on its way for longer than its pictures.
func (p *participant) streamOf(t *track) string {
	stream := t.info.Sid
	inStep := p.state.syncStreams || t.owner.req.Kind == livekit.ParticipantInfo_INGRESS
	if inStep && t.info.Stream != "" && p.req.Client.GetProtocol() >= syncProtocol &&
		!strings.EqualFold(p.req.Client.GetBrowser(), "firefox") {
		stream = t.info.Stream
	}
	return t.owner.sid + "|" + stream
}

// unsubscribe stops forwarding t to p.
func (p *participant) unsubscribe(t *track) {
	sub := p.subscriptions[t.info.Sid]
	if sub == nil {
		return
	}
	delete(p.subscriptions, t.info.Sid)
	p.state.opts.census.subscriptions.Add(-1)
	sub.demands(nothing)
	p.outgoing().RemoveTrack(sub.sender)
	p.voiceLost(t.owner)
}

func (p *participant) dropSubscriptions() {
	for _, sub := range p.subscriptions {
		p.unsubscribe(sub.track)
	}
}

// choose records the wish of p, or of the API for it, about tracks. A track that
// is not there yet is remembered.
func (p *participant) choose(sids []string, ofParticipants []*livekit.ParticipantTracks, subscribe bool) {
	for _, sid := range sids {
		p.chooseTrack(sid, subscribe)
	}
	for _, o := range ofParticipants {
		for _, sid := range o.TrackSids {
			p.chooseTrack(sid, subscribe)
		}
	}
}

func (p *participant) chooseTrack(sid string, subscribe bool) {
	t := p.state.tracks[sid]
	if _, chosen := p.wanted[sid]; t == nil && !chosen && (len(p.wanted) >= maxWanted || sid == "" || len(sid) > maxSID) {
		return // a client that invents sids gets no memory for it
	}
	p.wanted[sid] = subscribe
	if !subscribe {
		delete(p.settings, sid)
	}
	if t != nil {
		p.reconcile(t)
	}
}

const (
	// maxWanted bounds the remembered choices about tracks that do not exist.
	maxWanted = 4096
	// maxSID is longer than any sid, in bytes.
	maxSID = 64
)

// trackSettings applies what p wants to see of tracks, and remembers it until p
// unsubscribes or the track ends: a subscription may end and come back that its client knows nothing of.
func (p *participant) trackSettings(req *livekit.UpdateTrackSettings) {
	settings := &livekit.UpdateTrackSettings{ // without the tracks, which may be many
		Disabled: req.Disabled, Quality: req.Quality, Width: req.Width, Height: req.Height, Fps: req.Fps, Priority: req.Priority,
	}
	for _, sid := range req.TrackSids {
		if p.state.tracks[sid] == nil {
			continue
		}
		if p.settings == nil {
			p.settings = make(map[string]*livekit.UpdateTrackSettings)
		}
		p.settings[sid] = settings
		if sub := p.subscriptions[sid]; sub != nil {
			sub.apply(settings)
		}
	}
}

// apply makes the subscription what its client wants.
func (sub *subscription) apply(settings *livekit.UpdateTrackSettings) {
	sub.wish = settings.Priority
	sub.prioritize()
	down := sub.sender.DownTrack()
	down.SetPaused(settings.Disabled)
	if sub.track.info.Type == livekit.TrackType_VIDEO {
		down.SetMaxLayer(wantedLayer(sub.track, settings))
		down.SetMaxFPS(settings.Fps)
	}
	sub.demands(sub.wished())
}

// Priorities of video that does not all fit, without a wish of the client: what
// is shared is what a meeting is about, then who speaks.
const (
	priorityCamera  = 0
	prioritySpeaker = 10
	priorityScreen  = 20
	priorityWished  = 1000 // and more
)

// prioritize tells the connection how important the track is.
func (sub *subscription) prioritize() {
	priority := priorityCamera
	switch {
	case sub.wish > 0:
		priority = priorityWished + 1000 - int(min(sub.wish, 1000))
	case sub.track.info.Source == livekit.TrackSource_SCREEN_SHARE:
		priority = priorityScreen
	case sub.track.owner.speaking.active:
		priority = prioritySpeaker
	}
	sub.sender.SetPriority(priority)
}

// wantedLayer picks the smallest layer that fills the wanted size, or the one of
// the wanted quality when no size is given.
func wantedLayer(t *track, req *livekit.UpdateTrackSettings) int {
	top := t.topLayer()
	if top == 0 {
		return uptrack.MaxLayers - 1 // there is nothing to choose
	}
	if req.Width == 0 || req.Height == 0 {
		return min(int(req.Quality), top)
	}
	var layers []*livekit.VideoLayer
	if len(t.info.Codecs) > 0 {
		layers = slices.Clone(t.info.Codecs[0].Layers)
	}
	slices.SortFunc(layers, func(a, b *livekit.VideoLayer) int { return int(a.Quality) - int(b.Quality) })
	for i, l := range layers {
		if l.Width >= req.Width && l.Height >= req.Height {
			return min(i, top)
		}
	}
	return top
}

// setTrackPermissions takes over who may subscribe to p's tracks.
func (p *participant) setTrackPermissions(req *livekit.SubscriptionPermission) {
	rules := &trackPermissions{
		everybody: req.AllParticipants,
		all:       make(map[string]bool),
		some:      make(map[string]map[string]bool),
	}
	for _, grant := range req.TrackPermissions {
		identity := grant.ParticipantIdentity
		if identity == "" {
			if other := p.state.bySID[grant.ParticipantSid]; other != nil {
				identity = other.identity
			}
		}
		if grant.AllTracks {
			rules.all[identity] = true
			continue
		}
		if rules.some[identity] == nil {
			rules.some[identity] = make(map[string]bool, len(grant.TrackSids))
		}
		for _, sid := range grant.TrackSids {
			rules.some[identity][sid] = true
		}
	}
	p.permissions = rules
	p.state.mirror(p)
	p.reconcileSubscribers()
}

// reconcileSubscribers makes everybody's subscriptions to p's tracks what they
// should be now.
func (p *participant) reconcileSubscribers() {
	for _, t := range p.tracks {
		for _, other := range p.state.participants {
			other.reconcile(t)
		}
	}
}
