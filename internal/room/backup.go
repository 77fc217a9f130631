package room

import (
	"slices"
	"strings"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// backup is a track's second encoding, in a codec for those who do not decode
// the first. Its publisher makes it when it is asked to.
//
//	possible   the announcement of the track names its codec
//	wanted     somebody does not decode the first: the publisher is asked for it
//	announced  an AddTrack for the same sid
//	there      its media is bound
//	regressed  it has taken the first one's place, for everybody
type backup struct {
	mime      string   // empty if there can be none
	cid       string   // of its media, once announced
	wanted    bool     // and stays so
	receiver  Receiver // its media; once regressed, that of the first
	regressed bool
}

// addBackup answers the announcement of a second encoding.
func (p *participant) addBackup(req *livekit.AddTrackRequest, refuse func(livekit.RequestResponse_Reason, string)) {
	t := p.ownTrack(req.Sid)
	switch {
	case t == nil:
		refuse(livekit.RequestResponse_NOT_FOUND, ErrTrackNotFound.Msg)
		return
	case req.Type != livekit.TrackType_VIDEO || t.info.Type != req.Type || len(req.SimulcastCodecs) != 1:
		refuse(livekit.RequestResponse_UNSUPPORTED_TYPE, "a second codec is for video, and is one")
		return
	case t.backup.receiver != nil && t.backup.cid != req.Cid:
		refuse(livekit.RequestResponse_UNSUPPORTED_TYPE, "the track has a second codec")
		return
	}
	codec := req.SimulcastCodecs[0]
	mime := p.enabledMime(req.Type, codec.Codec)
	if strings.EqualFold(mime, t.info.MimeType) {
		refuse(livekit.RequestResponse_UNSUPPORTED_TYPE, "that codec is the track's first")
		return
	}
	if p.publisher == nil && !p.openPublisher() {
		return
	}
	t.backup.mime, t.backup.cid = mime, req.Cid
	p.state.changeTrack(t, func(info *livekit.TrackInfo) {
		c := secondCodec(info, mime)
		c.Cid, c.Layers = req.Cid, codec.Layers
	})
	p.publisher.Prefer(req.Cid, peer.Preference{MimeType: mime})
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_TrackPublished{
		TrackPublished: &livekit.TrackPublishedResponse{Cid: req.Cid, Track: t.info},
	}})
	p.matchReceivers()
}

// secondCodec finds or adds a codec in a description that is to be changed.
func secondCodec(info *livekit.TrackInfo, mime string) *livekit.SimulcastCodecInfo {
	for _, c := range info.Codecs {
		if strings.EqualFold(c.MimeType, mime) {
			return c
		}
	}
	info.Codecs = append(info.Codecs, &livekit.SimulcastCodecInfo{MimeType: mime})
	return info.Codecs[len(info.Codecs)-1]
}

// possibleBackup is the codec in which a track may have a second encoding, as it
// was announced; empty if none.
func possibleBackup(info *livekit.TrackInfo) string {
	if len(info.Codecs) < 2 || strings.EqualFold(info.Codecs[1].MimeType, info.Codecs[0].MimeType) {
		return ""
	}
	return info.Codecs[1].MimeType
}

// bindBackup takes in media that is a track's second encoding. It reports false
// if it is not.
func (p *participant) bindBackup(r Receiver) bool {
	i := slices.IndexFunc(p.tracks, func(t *track) bool {
		return t.backup.cid != "" && t.backup.cid == r.TrackID() && t.backup.receiver == nil && r.Kind() == "video"
	})
	if i < 0 {
		return false
	}
	t, s := p.tracks[i], p.state
	if !p.mayPublish(t.info.Type, t.info.Source) {
		return true
	}
	r.UpTrack().SetOpaque(t.info.Encryption != livekit.Encryption_NONE)
	r.UpTrack().SetMuted(t.info.Muted)
	t.backup.receiver = r
	t.backup.regressed = t.info.BackupCodecPolicy != livekit.BackupCodecPolicy_SIMULCAST && !t.recordedFirst()
	if t.backup.regressed {
		t.receiver, t.backup.receiver = r, t.receiver
	}
	s.changeTrack(t, func(info *livekit.TrackInfo) {
		c := secondCodec(info, t.backup.mime)
		c.Mid, c.MimeType = r.Mid(), r.MimeType()
		if t.backup.regressed {
			info.MimeType, info.Mid = r.MimeType(), r.Mid()
			info.Simulcast = len(r.Simulcast()) > 1 //nolint:staticcheck // older clients read it
		}
	})
	p.log.Info("second codec", "track", t.info.Sid, "mime", r.MimeType(), "alone", t.backup.regressed)
	s.useSecond(t, r)
	if t.backup.regressed {
		t.tellDemand(t.demand.top())
	}
	return true
}

// recordedFirst says that t is recorded in its first codec, here or where it is
// forwarded to. A recording is in one codec to its end, so that goes on meanwhile.
func (t *track) recordedFirst() bool {
	for tap := range t.taps {
		if !tap.second {
			return true
		}
	}
	for _, wished := range t.demand.elsewhere {
		if wished.recorded {
			return true
		}
	}
	return false
}

// firstCodecChanged tells t's publisher of a recording elsewhere that began while the
// second codec took the first one's place, or is over.
func (t *track) firstCodecChanged(before bool) {
	if t.backup.regressed && t.recordedFirst() != before {
		t.tellDemand(t.demand.top())
	}
}

// useSecond has those go on with the second encoding for whom it is.
func (s *state) useSecond(t *track, r Receiver) {
	for _, other := range s.participants {
		if sub := other.subscriptions[t.info.Sid]; sub != nil && (t.backup.regressed || sub.backup) {
			other.replaceSender(sub, r)
		}
	}
}

// undecodable says that sub's subscriber does not decode what it is sent. It
// reports whether there is, or will be, something else for it.
func (p *participant) undecodable(sub *subscription) bool {
	t := sub.track
	if t.backup.mime == "" || t.backup.regressed || sub.backup {
		return false
	}
	sub.backup = true
	if t.backup.receiver != nil {
		p.replaceSender(sub, t.backup.receiver)
		return true
	}
	t.backup.wanted = true
	t.tellDemand(t.demand.top())
	return true
}

// replaceSender has sub go on with other media of the same track.
func (p *participant) replaceSender(sub *subscription, r Receiver) {
	t, old := sub.track, sub.sender
	out := p.outgoing()
	out.RemoveTrack(old)
	sender, err := out.AddTrack(p.streamOf(t), t.info.Sid, r.UpTrack())
	if err != nil {
		p.log.Warn("subscribe to second codec", "track", t.info.Sid, "error", err)
		return
	}
	before, down := old.DownTrack(), sender.DownTrack()
	down.SetPaused(before.Paused())
	down.SetMaxLayer(before.MaxLayer())
	down.SetMaxFPS(before.MaxFPS())
	sub.sender, sub.sent = sender, 0
	sub.prioritize()
	sub.demands(sub.wished())
}

// backupEnded reports whether that media was the second of a track's, which goes
// on without it.
func (p *participant) backupEnded(r Receiver) bool {
	for _, t := range p.tracks {
		if t.backup.receiver != nil && t.backup.receiver == r {
			t.backup.receiver, t.backup.cid = nil, ""
			p.state.mirror(p)
			return true
		}
	}
	return false
}

// codecDemands are the qualities wanted of each codec of a track, the main one's
// first.
func (t *track) codecDemands(qualities []*livekit.SubscribedQuality) []*livekit.SubscribedCodec {
	name := func(mime string) string {
		_, codec, _ := strings.Cut(strings.ToLower(mime), "/")
		return codec
	}
	codecs := []*livekit.SubscribedCodec{{Codec: name(t.info.MimeType), Qualities: qualities}}
	switch {
	case t.backup.regressed:
		first := &livekit.SubscribedCodec{Codec: name(t.info.Codecs[0].MimeType), Qualities: qualities}
		if !t.recordedFirst() {
			first.Qualities = nil
			for _, q := range qualities {
				first.Qualities = append(first.Qualities, &livekit.SubscribedQuality{Quality: q.Quality})
			}
		}
		codecs = append(codecs, first)
	case t.backup.wanted:
		codecs = append(codecs, &livekit.SubscribedCodec{Codec: name(t.backup.mime), Qualities: qualities})
	}
	return codecs
}
