package room

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// track is one track of a participant: pending from add_track until its media is
// bound, then published until its media ends.
type track struct {
	owner      *participant
	cids       []string           // the client's ids for it
	info       *livekit.TrackInfo // immutable, replaced on change
	receiver   Receiver           // nil while pending
	subscribed bool               // somebody subscribed once
	asked      time.Time          // when the API muted or unmuted it; zero: its client has had a say since
	demand     demand
	backup     backup
	original   string // the sid where it is forwarded from; empty for media of its own
	taps       map[*Tap]struct{}
	debt       debt // while pending
}

// matchPatience is how long media waits for an announcement under its own track
// id before it is taken for the oldest pending track of its kind: some clients'
// SDP carries other ids than they announce.
const matchPatience = 2 * time.Second

// addTrack answers an announcement. The answer does not wait for the media.
func (p *participant) addTrack(req *livekit.AddTrackRequest) {
	unfit, why := p.state.opts.Limits.checkAnnouncement(req)
	refuse := func(reason livekit.RequestResponse_Reason, msg string) {
		echo := req
		if unfit != livekit.RequestResponse_OK {
			// What is refused may be long: its client knows it by this.
			echo = &livekit.AddTrackRequest{Cid: req.Cid, Sid: req.Sid, Type: req.Type, Source: req.Source}
		}
		p.refuse(reason, msg, &livekit.RequestResponse{Request: &livekit.RequestResponse_AddTrack{AddTrack: echo}})
	}
	switch {
	case !p.mayPublish(req.Type, req.Source):
		refuse(livekit.RequestResponse_NOT_ALLOWED, "the token does not allow publishing this source")
		return
	case req.Type != livekit.TrackType_AUDIO && req.Type != livekit.TrackType_VIDEO:
		refuse(livekit.RequestResponse_UNSUPPORTED_TYPE, "track type must be AUDIO or VIDEO")
		return
	case req.Cid == "":
		refuse(livekit.RequestResponse_INVALID_REQUEST, "cid is required")
		return
	case unfit != livekit.RequestResponse_OK:
		refuse(unfit, why)
		return
	}
	if req.Sid != "" {
		p.addBackup(req, refuse)
		return
	}
	for _, t := range p.pending {
		if slices.Contains(t.cids, req.Cid) {
			p.trackPublished(t)
			return
		}
	}
	if len(p.tracks)+len(p.pending) >= p.state.opts.Limits.MaxTracks {
		refuse(livekit.RequestResponse_LIMIT_EXCEEDED,
			fmt.Sprintf("the participant has %d tracks, the limit is %d", len(p.tracks)+len(p.pending), p.state.opts.Limits.MaxTracks))
		return
	}
	t := &track{owner: p, cids: []string{req.Cid}, info: p.newTrackInfo(req)}
	for _, c := range req.SimulcastCodecs {
		if c.Cid != "" && !slices.Contains(t.cids, c.Cid) {
			t.cids = append(t.cids, c.Cid)
		}
	}
	p.pending = append(p.pending, t)
	p.prefer(t, req)
	p.prompt(func(p *participant) {
		p.expectOffer(t)
		p.trackPublished(t)
	})
	p.matchReceivers()
}

// prefer has the answer to the offer that follows list the announced codec
// first: browsers send what comes first, and SDKs leave that to us.
func (p *participant) prefer(t *track, req *livekit.AddTrackRequest) {
	if p.publisher == nil && !p.openPublisher() {
		return
	}
	if t.info.Type == livekit.TrackType_AUDIO {
		has := func(f livekit.AudioTrackFeature) bool { return slices.Contains(req.AudioFeatures, f) }
		preference := peer.Preference{
			MimeType: p.audioMime(t.info),
			DTX:      !req.DisableDtx && !has(livekit.AudioTrackFeature_TF_NO_DTX), //nolint:staticcheck // older clients say it so
			Stereo:   req.Stereo || has(livekit.AudioTrackFeature_TF_STEREO),       //nolint:staticcheck // as above
		}
		for _, cid := range t.cids {
			p.publisher.Prefer(cid, preference)
		}
		return
	}
	for _, c := range t.info.Codecs {
		if c.MimeType != "" && c.Cid != "" {
			p.publisher.Prefer(c.Cid, peer.Preference{MimeType: c.MimeType})
		}
	}
}

// audioMime is what a client should send sound as: Opus comes with redundancy,
// which makes up for losses, unless the client does not want it or encrypts,
// for what is encrypted cannot be taken apart.
func (p *participant) audioMime(info *livekit.TrackInfo) string {
	if info.MimeType != "" && !strings.EqualFold(info.MimeType, mimeOpus) {
		return info.MimeType
	}
	plain := info.DisableRed || info.Encryption != livekit.Encryption_NONE
	for _, c := range p.state.settings.EnabledCodecs {
		if !plain && strings.EqualFold(c.Mime, mimeRED) {
			return mimeRED
		}
	}
	return mimeOpus
}

const (
	mimeOpus = "audio/opus"
	mimeRED  = "audio/red"
)

func (p *participant) trackPublished(t *track) {
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_TrackPublished{
		TrackPublished: &livekit.TrackPublishedResponse{Cid: t.cids[0], Track: t.info},
	}})
}

// newTrackInfo makes the description of an announced track.
func (p *participant) newTrackInfo(req *livekit.AddTrackRequest) *livekit.TrackInfo {
	info := &livekit.TrackInfo{
		Sid:               newTrackSID(req.Type, req.Source),
		Type:              req.Type,
		Name:              req.Name,
		Muted:             req.Muted,
		Width:             req.Width,
		Height:            req.Height,
		DisableDtx:        req.DisableDtx, //nolint:staticcheck // older clients read it
		Source:            req.Source,
		Layers:            req.Layers, //nolint:staticcheck // older clients read it
		Stereo:            req.Stereo, //nolint:staticcheck // older clients read it
		DisableRed:        req.DisableRed,
		Encryption:        req.Encryption,
		Stream:            req.Stream,
		BackupCodecPolicy: req.BackupCodecPolicy,
		AudioFeatures:     req.AudioFeatures,
		Version:           &livekit.TimedVersion{UnixMicro: p.state.now.UnixMicro()},
	}
	if info.Stream == "" {
		info.Stream = defaultStream(req.Source)
	}
	for i, c := range req.SimulcastCodecs {
		mime := p.enabledMime(req.Type, c.Codec)
		if i == 0 {
			info.MimeType = mime
		}
		layers := c.Layers
		if len(layers) == 0 {
			layers = req.Layers
		}
		info.Codecs = append(info.Codecs, &livekit.SimulcastCodecInfo{
			MimeType: mime, Cid: c.Cid, Layers: layers, VideoLayerMode: c.VideoLayerMode,
		})
	}
	return info
}

// defaultStream groups camera with microphone, and a screen with its sound.
func defaultStream(source livekit.TrackSource) string {
	switch source {
	case livekit.TrackSource_SCREEN_SHARE, livekit.TrackSource_SCREEN_SHARE_AUDIO:
		return "screen_share"
	case livekit.TrackSource_CAMERA, livekit.TrackSource_MICROPHONE:
		return "camera"
	}
	return ""
}

// enabledMime returns the MIME type for a codec name of the client, or the
// room's first codec of that kind when the client's is not enabled.
func (p *participant) enabledMime(kind livekit.TrackType, codec string) string {
	prefix := "video/"
	if kind == livekit.TrackType_AUDIO {
		prefix = "audio/"
	}
	first := ""
	for _, c := range p.state.settings.EnabledCodecs {
		if !strings.HasPrefix(c.Mime, prefix) {
			continue
		}
		if first == "" {
			first = c.Mime
		}
		if strings.EqualFold(strings.TrimPrefix(c.Mime, prefix), strings.TrimPrefix(strings.ToLower(codec), prefix)) {
			return c.Mime
		}
	}
	return first
}

// receiverReady takes in media that can flow. It becomes a published track once
// it is announced and its participant has joined, in whatever order these come.
func (p *participant) receiverReady(r Receiver) {
	if p.gone {
		return
	}
	p.unmatched = append(p.unmatched, waitingReceiver{r, p.state.now})
	p.state.wakeAt(p.state.now.Add(matchPatience))
	p.matchReceivers()
}

// waitingReceiver is media that no announcement was found for yet.
type waitingReceiver struct {
	receiver Receiver
	since    time.Time
}

// matchReceivers publishes every announced track whose media is there.
func (p *participant) matchReceivers() {
	if !p.joined {
		return
	}
	var still []waitingReceiver
	for _, w := range p.unmatched {
		if p.bindBackup(w.receiver) {
			continue
		}
		t := p.announced(w)
		switch {
		case t == nil:
			still = append(still, w)
		case !p.mayPublish(t.info.Type, t.info.Source):
			// Permission went away meanwhile: neither announced nor forwarded.
		default:
			p.state.publish(t, w.receiver)
		}
	}
	p.unmatched = still
}

// announced takes the pending track of this media out of the list; nil if there
// is none yet.
func (p *participant) announced(w waitingReceiver) *track {
	kind := livekit.TrackType_VIDEO
	if w.receiver.Kind() == "audio" {
		kind = livekit.TrackType_AUDIO
	}
	i := slices.IndexFunc(p.pending, func(t *track) bool {
		return t.info.Type == kind && slices.Contains(t.cids, w.receiver.TrackID())
	})
	if i < 0 && p.state.now.Sub(w.since) >= matchPatience {
		i = slices.IndexFunc(p.pending, func(t *track) bool { return t.info.Type == kind })
	}
	if i < 0 {
		return p.revived(w.receiver)
	}
	t := p.pending[i]
	p.pending = slices.Delete(p.pending, i, i+1)
	return t
}

// endedTrack is a track whose media ended.
type endedTrack struct {
	track *track
	at    time.Time
}

// revival is how long the same media may be gone: a client that changes its
// codec, or pauses a section, goes on under the sid that it knows.
const revival = 5 * time.Second

// endedLately returns the tracks that media may still come back to.
func (p *participant) endedLately() []endedTrack {
	return slices.DeleteFunc(p.ended, func(e endedTrack) bool { return p.state.now.Sub(e.at) >= revival })
}

// tickEnded lets go of media that cannot come back.
func (p *participant) tickEnded() {
	if len(p.ended) == 0 {
		return
	}
	if p.ended = p.endedLately(); len(p.ended) == 0 {
		p.ended = nil
		return
	}
	p.state.wakeAt(p.ended[0].at.Add(revival))
}

// revived returns the track that this media carried until a moment ago, to be
// published again, or nil.
func (p *participant) revived(r Receiver) *track {
	p.ended = p.endedLately()
	i := slices.IndexFunc(p.ended, func(e endedTrack) bool { return e.track.receiver.TrackID() == r.TrackID() })
	if i < 0 {
		return nil
	}
	t := p.ended[i].track
	p.ended = slices.Delete(p.ended, i, i+1)
	return &track{owner: p, cids: t.cids, info: t.info}
}

// publish binds media to its track and makes it known.
func (s *state) publish(t *track, r Receiver) {
	t.receiver = r
	info := proto.CloneOf(t.info)
	info.MimeType = r.MimeType()
	info.Mid = r.Mid()
	info.Simulcast = len(r.Simulcast()) > 1 //nolint:staticcheck // older clients read it
	if len(info.Codecs) == 0 {
		info.Codecs = []*livekit.SimulcastCodecInfo{{Cid: t.cids[0], Layers: info.Layers}} //nolint:staticcheck // as above
	}
	info.Codecs[0].MimeType = info.MimeType
	info.Codecs[0].Mid = info.Mid
	if cid := r.TrackID(); cid != info.Codecs[0].Cid {
		info.Codecs[0].SdpCid = cid
	}
	t.info = info
	t.backup.mime = possibleBackup(info)
	r.UpTrack().SetOpaque(info.Encryption != livekit.Encryption_NONE)
	r.UpTrack().SetRedundancy(!s.opts.Defaults.PlainOpus && t.owner.audioMime(info) == mimeRED)
	r.UpTrack().SetMuted(info.Muted)
	s.makeKnown(t)
}

// makeKnown tells of a track whose media is bound, and forwards it.
func (s *state) makeKnown(t *track) {
	p, r, info := t.owner, t.receiver, t.info
	if !t.demand.begun {
		t.demand.told = t.topLayer() // what clients send until they are told
	}
	p.tracks = append(p.tracks, t)
	s.tracks[info.Sid] = t
	s.opts.census.track(t, 1)
	p.touch()
	s.countsChanged()
	p.log.Info("track published", "track", info.Sid, "source", spelled(livekit.TrackSource_name, info.Source), "mime", info.MimeType, "simulcast", r.Simulcast())
	p.session.published++
	s.totals.published++
	p.mediaFlows()
	s.emit(event.Event{Name: event.TrackPublished, Participant: p.info(), Track: info})
	s.watchedTrack(TrackPublished, t)
	s.broadcast(p, false)
	for _, other := range s.participants {
		other.reconcile(t)
	}
	if info.Type == livekit.TrackType_VIDEO {
		s.demandChanged(t)
	}
	s.wakeAt(s.now.Add(speakerInterval))
}

// receiverEnded unpublishes the track whose media ended.
func (p *participant) receiverEnded(r Receiver) {
	p.unmatched = slices.DeleteFunc(p.unmatched, func(w waitingReceiver) bool { return w.receiver == r })
	if p.backupEnded(r) {
		return
	}
	i := slices.IndexFunc(p.tracks, func(t *track) bool { return t.receiver == r })
	if i < 0 || p.gone {
		return
	}
	t := p.tracks[i]
	p.state.unpublish(t, event.ActorClient, mediaEnded)
	p.ended = append(p.endedLately(), endedTrack{t, p.state.now})
	p.state.wakeAt(p.state.now.Add(revival))
	p.state.broadcast(p, false)
}

// Why a track ends before its publisher's session does; with that, it is for
// the session's reason.
const (
	mediaEnded        = "media_ended"
	permissionRevoked = "permission_revoked"
)

// unpublish ends a track for everybody; the caller broadcasts the participant.
func (s *state) unpublish(t *track, by event.Actor, why string) {
	p := t.owner
	for _, other := range s.participants {
		other.unsubscribe(t)
		delete(other.wanted, t.info.Sid)
		delete(other.settings, t.info.Sid)
		delete(other.denied, t.info.Sid)
	}
	s.endTaps(t)
	p.tracks = slices.DeleteFunc(p.tracks, func(x *track) bool { return x == t })
	if s.tracks[t.info.Sid] == t {
		delete(s.tracks, t.info.Sid)
		s.opts.census.track(t, -1)
	}
	p.touch()
	s.countsChanged()
	p.log.Info("track unpublished", "track", t.info.Sid)
	s.emit(event.Event{Name: event.TrackUnpublished, Participant: p.info(), Track: t.info, Actor: by, Reason: why})
	s.watchedTrack(TrackUnpublished, t)
}

// setMuted applies a mute of the client's own or of the API and tells everybody,
// the publisher too: the SDK compares.
func (s *state) setMuted(t *track, muted bool, by event.Actor) {
	if t.info.Muted == muted {
		return
	}
	s.changeTrack(t, func(info *livekit.TrackInfo) { info.Muted = muted })
	if t.receiver != nil {
		if t.original == "" { // else the media is muted by its own room
			t.receiver.UpTrack().SetMuted(muted)
			if second := t.backup.receiver; second != nil {
				second.UpTrack().SetMuted(muted)
			}
		}
		name := event.TrackUnmuted
		if muted {
			name = event.TrackMuted
		}
		s.emit(event.Event{Name: name, Participant: t.owner.info(), Track: t.info, Actor: by, Detail: &event.Changed{By: by}})
		s.wakeAt(s.now.Add(speakerInterval))
	}
}

// changeTrack replaces t's info and tells everybody if it is published, and it changes.
func (s *state) changeTrack(t *track, change func(*livekit.TrackInfo)) {
	info := proto.CloneOf(t.info)
	if change(info); proto.Equal(info, t.info) {
		return
	}
	info.Version = &livekit.TimedVersion{UnixMicro: s.now.UnixMicro()}
	t.info = info
	if t.receiver != nil {
		t.owner.touch()
		s.broadcast(t.owner, true)
		s.watchedTrack(TrackChanged, t)
	}
}

// ownTrack finds a track of p, published or pending.
func (p *participant) ownTrack(sid string) *track {
	for _, list := range [][]*track{p.tracks, p.pending} {
		for _, t := range list {
			if t.info.Sid == sid {
				return t
			}
		}
	}
	return nil
}
