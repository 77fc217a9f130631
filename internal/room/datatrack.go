package room

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// dataTrack is a stream of data frames that a participant publishes. Others have
// it when they ask for it, or for all when they come, and know it by handles of their own.
type dataTrack struct {
	owner    *participant
	info     *livekit.DataTrackInfo  // immutable
	original string                  // the sid where it is forwarded from; empty for a client's own
	takers   map[*participant]uint16 // who has it, by which handle
}

const (
	dataTrackPrefix = "DTR_"
	maxDataHandle   = 1<<16 - 1
	// A packet begins with 12 bytes: its version in the upper three bits of the
	// first, and a handle, 16 bits, at the third.
	dataHeader       = 12
	dataHandleOffset = 2
)

// publishDataTrack answers a client that wants to publish one.
func (p *participant) publishDataTrack(req *livekit.PublishDataTrackRequest) {
	limits := p.state.opts.Limits
	reason, msg := livekit.RequestResponse_OK, ""
	switch {
	case !p.permission.CanPublishData:
		reason, msg = livekit.RequestResponse_NOT_ALLOWED, "the token does not allow publishing data"
	case req.PubHandle == 0 || req.PubHandle > maxDataHandle:
		reason, msg = livekit.RequestResponse_INVALID_HANDLE, "the handle must be between 1 and 65535"
	case req.Name == "" || len(req.Name) > limits.MaxName:
		reason, msg = livekit.RequestResponse_INVALID_NAME, fmt.Sprintf("the name is missing or too long, the limit is %d bytes", limits.MaxName)
	case proto.Size(req)-len(req.Name) > maxDataAnnouncement:
		reason, msg = livekit.RequestResponse_LIMIT_EXCEEDED,
			fmt.Sprintf("the announcement of the data track is %d bytes long without the name, the limit is %d", proto.Size(req)-len(req.Name), maxDataAnnouncement)
		req = &livekit.PublishDataTrackRequest{PubHandle: req.PubHandle, Name: req.Name} // it is sent back
	case len(p.dataTracks) >= limits.MaxTracks:
		reason, msg = livekit.RequestResponse_LIMIT_EXCEEDED, fmt.Sprintf("the participant has %d data tracks, the limit is %d", len(p.dataTracks), limits.MaxTracks)
	}
	for _, t := range p.dataTracks {
		switch {
		case t.info.PubHandle == req.PubHandle:
			reason, msg = livekit.RequestResponse_DUPLICATE_HANDLE, "the handle is in use"
		case t.info.Name == req.Name:
			reason, msg = livekit.RequestResponse_DUPLICATE_NAME, "the name is in use"
		}
	}
	if reason != livekit.RequestResponse_OK {
		p.refuse(reason, msg, &livekit.RequestResponse{Request: &livekit.RequestResponse_PublishDataTrack{PublishDataTrack: req}})
		return
	}
	t := &dataTrack{info: &livekit.DataTrackInfo{
		PubHandle: req.PubHandle, Sid: newSID(dataTrackPrefix), Name: req.Name, Encryption: req.Encryption,
		FrameEncoding: req.FrameEncoding, Schema: req.Schema,
	}}
	p.addDataTrack(t)
	p.touch()
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_PublishDataTrackResponse{
		PublishDataTrackResponse: &livekit.PublishDataTrackResponse{Info: t.info},
	}})
	p.state.broadcast(p, false)
	p.shareDataTracks()
}

// unpublishDataTrack ends the track of that handle.
func (p *participant) unpublishDataTrack(req *livekit.UnpublishDataTrackRequest) {
	t := p.dataTrackOf(req.PubHandle)
	if t == nil {
		p.refuse(livekit.RequestResponse_NOT_FOUND, "no data track has that handle", &livekit.RequestResponse{
			Request: &livekit.RequestResponse_UnpublishDataTrack{UnpublishDataTrack: req}})
		return
	}
	p.endDataTrack(t)
	p.state.broadcast(p, false)
}

// addDataTrack makes t one of p's, which others can ask for.
func (p *participant) addDataTrack(t *dataTrack) {
	t.owner = p
	p.dataTracks = append(p.dataTracks, t)
	p.state.dataTracks[t.info.Sid] = t
}

// removeDataTrack takes t from p and from all who have it.
func (p *participant) removeDataTrack(t *dataTrack) {
	p.dataTracks = slices.DeleteFunc(p.dataTracks, func(other *dataTrack) bool { return other == t })
	delete(p.state.dataTracks, t.info.Sid)
	for other := range t.takers {
		other.dropDataTrack(t)
	}
	for _, other := range p.state.participants {
		delete(other.wanted, t.info.Sid)
	}
}

// endDataTrack ends a track for everybody; the caller broadcasts the participant.
func (p *participant) endDataTrack(t *dataTrack) {
	p.removeDataTrack(t)
	p.touch()
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_UnpublishDataTrackResponse{
		UnpublishDataTrackResponse: &livekit.UnpublishDataTrackResponse{Info: t.info},
	}})
}

func (p *participant) endDataTracks() {
	for _, t := range slices.Clone(p.dataTracks) {
		p.endDataTrack(t)
	}
}

func (p *participant) dataTrackOf(handle uint32) *dataTrack {
	for _, t := range p.dataTracks {
		if t.info.PubHandle == handle {
			return t
		}
	}
	return nil
}

// subscribeData has p receive data tracks, or not any more. Those that are not
// there are ignored: they may have ended meanwhile.
func (p *participant) subscribeData(req *livekit.UpdateDataSubscription) {
	changed := false
	for _, u := range req.Updates {
		t := p.state.dataTracks[u.TrackSid]
		if t == nil || t.owner == p {
			continue
		}
		p.wanted[t.info.Sid] = u.Subscribe
		if !u.Subscribe {
			changed = p.dropDataTrack(t) || changed
			continue
		}
		if p.permission.CanSubscribe && t.owner.visible() {
			changed = p.takeDataTrack(t) || changed
		}
	}
	if changed {
		p.tellDataHandles()
	}
}

// shareDataTracks gives others the data tracks of p that they want, and p those of theirs,
// once both know of each other.
func (p *participant) shareDataTracks() {
	if len(p.dataTracks) > 0 {
		p.state.introduce(p)
	}
	changed := false
	for _, other := range p.state.inOrder {
		if other.takeDataTracks(p) {
			other.tellDataHandles()
		}
		changed = p.takeDataTracks(other) || changed
	}
	if changed {
		p.tellDataHandles()
	}
}

// takeDataTracks gives p what it wants of the owner's tracks: those that it has chosen, or
// all that it has not declined if it asked for that when it came.
func (p *participant) takeDataTracks(owner *participant) (changed bool) {
	if len(owner.dataTracks) == 0 || p == owner || p.forwarding != nil || !p.joined || !p.permission.CanSubscribe || !owner.visible() {
		return false
	}
	for _, t := range owner.dataTracks {
		wanted, chosen := p.wanted[t.info.Sid]
		if !chosen {
			wanted = p.req.AutoSubscribeData
		}
		changed = wanted && p.takeDataTrack(t) || changed
	}
	return changed
}

// hideDataTracks takes p's tracks from those who have them.
func (p *participant) hideDataTracks() {
	changed := make(map[*participant]bool)
	for _, t := range p.dataTracks {
		for other := range t.takers {
			other.dropDataTrack(t)
			changed[other] = true
		}
	}
	for other := range changed {
		other.tellDataHandles()
	}
}

// takeDataTrack gives a track a handle of p's. Handles are not used again before
// all others were.
func (p *participant) takeDataTrack(t *dataTrack) bool {
	if _, has := t.takers[p]; has || len(p.dataHandles) >= maxDataHandle {
		return false
	}
	if p.dataHandles == nil {
		p.dataHandles = make(map[uint16]*dataTrack)
	}
	if t.takers == nil {
		t.takers = make(map[*participant]uint16)
	}
	for {
		p.lastHandle++
		if p.lastHandle != 0 && p.dataHandles[p.lastHandle] == nil {
			p.dataHandles[p.lastHandle], t.takers[p] = t, p.lastHandle
			return true
		}
	}
}

func (p *participant) dropDataTrack(t *dataTrack) bool {
	handle, has := t.takers[p]
	if has {
		delete(p.dataHandles, handle)
		delete(t.takers, p)
	}
	return has
}

// dropDataTracks takes from p what it has of others.
func (p *participant) dropDataTracks() {
	for _, t := range p.dataHandles {
		delete(t.takers, p)
	}
	p.dataHandles = nil
}

// tellDataHandles tells p's client by which handles it has which tracks.
func (p *participant) tellDataHandles() {
	handles := make(map[uint32]*livekit.DataTrackSubscriberHandles_PublishedDataTrack, len(p.dataHandles))
	for handle, t := range p.dataHandles {
		handles[uint32(handle)] = &livekit.DataTrackSubscriberHandles_PublishedDataTrack{
			PublisherIdentity: t.owner.identity, PublisherSid: t.owner.sid, TrackSid: t.info.Sid,
		}
	}
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_DataTrackSubscriberHandles{
		DataTrackSubscriberHandles: &livekit.DataTrackSubscriberHandles{SubHandles: handles},
	}})
}

// forwardDataTrack gives a packet of p's to those who have its track. The frame is
// changed.
func (p *participant) forwardDataTrack(frame []byte) {
	if !p.joined || !p.permission.CanPublishData || len(frame) < dataHeader || frame[0]>>5 != 0 {
		return
	}
	t := p.dataTrackOf(uint32(binary.BigEndian.Uint16(frame[dataHandleOffset:])))
	if t == nil {
		return
	}
	p.carryFrame(frame)
	batch, send := peer.Together()
	defer send()
	for other, handle := range t.takers {
		binary.BigEndian.PutUint16(frame[dataHandleOffset:], handle)
		other.sendData(peer.DataTrack, frame, batch)
	}
}
