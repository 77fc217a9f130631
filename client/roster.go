package client

import (
	"maps"
	"slices"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// joined takes over what a join says of the room. After a full reconnect, those
// who are in the room come, as far as the application can tell.
func (r *Room) joined(join *livekit.JoinResponse) {
	again := r.connection != StateConnecting
	if join.GetClientConfiguration().GetResumeConnection() == livekit.ClientConfigSetting_DISABLED {
		r.session.join.ClientConfiguration = join.GetClientConfiguration()
	}
	r.change(func() {
		r.info, r.serverInfo = join.GetRoom(), serverInfo(join)
		r.updateLocal(join.GetParticipant())
		for _, info := range join.GetOtherParticipants() {
			if info.GetState() != livekit.ParticipantInfo_DISCONNECTED && r.known(info) {
				r.addParticipant(info, again)
			}
		}
	})
}

func serverInfo(join *livekit.JoinResponse) *livekit.ServerInfo {
	if join.GetServerInfo() != nil {
		return join.GetServerInfo()
	}
	return &livekit.ServerInfo{Version: join.GetServerVersion(), Region: join.GetServerRegion()}
}

// known says whether info describes somebody at all.
func (r *Room) known(info *livekit.ParticipantInfo) bool {
	return info.GetSid() != "" && info.GetIdentity() != ""
}

// handleParticipants takes over what the server says of participants.
func (r *Room) handleParticipants(s *session, infos []*livekit.ParticipantInfo) {
	r.change(func() {
		for _, info := range infos {
			switch {
			case !r.known(info):
			case info.GetSid() == r.local.info.GetSid() || info.GetIdentity() == r.local.info.GetIdentity():
				// Somebody else with this identity is a session that ours replaced, or
				// that replaces ours; we hear of that otherwise.
				if info.GetSid() == r.local.info.GetSid() && info.GetState() != livekit.ParticipantInfo_DISCONNECTED {
					r.updateLocal(info)
				}
			default:
				r.updateRemote(info)
			}
		}
	})
	s.matchTracks()
}

func (r *Room) updateRemote(info *livekit.ParticipantInfo) {
	i := slices.IndexFunc(r.remotes, func(p *RemoteParticipant) bool { return p.info.GetIdentity() == info.GetIdentity() })
	if info.GetState() == livekit.ParticipantInfo_DISCONNECTED {
		// The end of a session that another has replaced is nobody's leaving.
		if i >= 0 && r.remotes[i].info.GetSid() == info.GetSid() {
			r.removeParticipant(r.remotes[i], info.GetDisconnectReason())
		}
		return
	}
	if i < 0 {
		r.addParticipant(info, true)
		return
	}
	p := r.remotes[i]
	if p.info.GetSid() == info.GetSid() && info.GetVersion() < p.info.GetVersion() {
		return // overtaken
	}
	before := p.info
	p.info = info
	if before.GetSid() != info.GetSid() {
		r.data.forget(before.GetSid())
		r.streams.left(before.GetSid())
	}
	r.tellChanges(p, before, info)
	r.updateTracks(p, info.GetTracks(), true)
}

// addParticipant takes somebody in; tell says whether the application hears of it.
func (r *Room) addParticipant(info *livekit.ParticipantInfo, tell bool) {
	p := &RemoteParticipant{participant: participant{room: r, info: info, quality: livekit.ConnectionQuality_EXCELLENT}}
	r.remotes = append(slices.Clip(r.remotes), p)
	if tell {
		r.emit(ParticipantConnected{Participant: p})
	}
	r.updateTracks(p, info.GetTracks(), tell)
}

// removeParticipant takes somebody out: first the tracks, then the participant.
func (r *Room) removeParticipant(p *RemoteParticipant, reason livekit.DisconnectReason) {
	r.updateTracks(p, nil, true)
	r.remotes = slices.DeleteFunc(slices.Clone(r.remotes), func(q *RemoteParticipant) bool { return q == p })
	r.silence(p)
	r.data.forget(p.info.GetSid())
	r.streams.left(p.info.GetSid())
	r.rpc.left(p.info.GetIdentity())
	r.emit(ParticipantDisconnected{Participant: p, Reason: reason})
}

// updateLocal takes over what the server says of the local participant.
func (r *Room) updateLocal(info *livekit.ParticipantInfo) {
	before := r.local.info
	if before.GetSid() == info.GetSid() && info.GetVersion() < before.GetVersion() {
		return
	}
	r.local.info = info
	if before == nil {
		return
	}
	r.tellChanges(r.local, before, info)
	r.seenUpdates(info)
	for _, t := range info.GetTracks() {
		r.updateLocalTrack(t)
	}
}

// tellChanges tells what changed about a participant beside its tracks.
func (r *Room) tellChanges(p Participant, before, now *livekit.ParticipantInfo) {
	if before.GetName() != now.GetName() {
		r.emit(ParticipantNameChanged{Previous: before.GetName(), Name: now.GetName(), Participant: p})
	}
	if before.GetMetadata() != now.GetMetadata() {
		r.emit(ParticipantMetadataChanged{Previous: before.GetMetadata(), Metadata: now.GetMetadata(), Participant: p})
	}
	if changed := difference(before.GetAttributes(), now.GetAttributes()); len(changed) > 0 {
		r.emit(ParticipantAttributesChanged{Changed: changed, Participant: p})
	}
	if !proto.Equal(before.GetPermission(), now.GetPermission()) {
		r.emit(ParticipantPermissionsChanged{
			Previous: proto.CloneOf(before.GetPermission()), Permissions: proto.CloneOf(now.GetPermission()), Participant: p,
		})
	}
}

// difference returns what is new, and an empty value for what is gone.
func difference(before, now map[string]string) map[string]string {
	changed := map[string]string{}
	for k := range before {
		if _, there := now[k]; !there {
			changed[k] = ""
		}
	}
	for k, v := range now {
		if old, there := before[k]; !there || old != v {
			changed[k] = v
		}
	}
	return changed
}

// handleRoom takes over what the server says of the room.
func (r *Room) handleRoom(info *livekit.Room) {
	if info == nil {
		return
	}
	before := r.info
	r.info = info
	if before.GetMetadata() != info.GetMetadata() {
		r.emit(RoomMetadataChanged{Previous: before.GetMetadata(), Metadata: info.GetMetadata()})
	}
}

// bySID returns the participant of the session; nil if there is none.
func (r *Room) bySID(sid string) Participant {
	if r.local.info.GetSid() == sid {
		return r.local
	}
	if p := r.remoteBySID(sid); p != nil {
		return p
	}
	return nil
}

func (r *Room) remoteBySID(sid string) *RemoteParticipant {
	for _, p := range r.remotes {
		if p.info.GetSid() == sid {
			return p
		}
	}
	return nil
}

func (r *Room) remoteByIdentity(identity string) *RemoteParticipant {
	for _, p := range r.remotes {
		if p.info.GetIdentity() == identity {
			return p
		}
	}
	return nil
}

// handleSpeakers takes over who began, goes on, or ended speaking.
func (r *Room) handleSpeakers(infos []*livekit.SpeakerInfo) {
	for _, info := range infos {
		p := r.bySID(info.GetSid())
		if p == nil {
			continue
		}
		b := p.base()
		was := b.speaking
		b.speaking, b.level = info.GetActive(), info.GetLevel()
		if !b.speaking {
			b.level = 0
		}
		if was != b.speaking {
			r.emit(IsSpeakingChanged{Speaking: b.speaking, Participant: p})
		}
	}
	r.setSpeakers()
}

// silence ends somebody's speaking. Loop only.
func (r *Room) silence(p *RemoteParticipant) {
	if p.speaking {
		p.speaking, p.level = false, 0
		r.emit(IsSpeakingChanged{Speaking: false, Participant: p})
		r.setSpeakers()
	}
}

// setSpeakers finds out who speaks, and tells it.
func (r *Room) setSpeakers() {
	var all []Participant
	if r.local.speaking {
		all = append(all, r.local)
	}
	for _, p := range r.remotes {
		if p.speaking {
			all = append(all, p)
		}
	}
	r.speakers = ordered(all)
	r.emit(ActiveSpeakersChanged{Speakers: slices.Clone(r.speakers)})
}

// handleQuality takes over how good connections are.
func (r *Room) handleQuality(infos []*livekit.ConnectionQualityInfo) {
	for _, info := range infos {
		p := r.bySID(info.GetParticipantSid())
		if p == nil || p.base().rated && p.base().quality == info.GetQuality() {
			continue
		}
		p.base().quality, p.base().rated = info.GetQuality(), true
		r.emit(ConnectionQualityChanged{Quality: info.GetQuality(), Participant: p})
	}
}

// seenUpdates completes the local participant's own changes that info shows.
func (r *Room) seenUpdates(info *livekit.ParticipantInfo) {
	for id, u := range maps.Clone(r.updates) {
		if u.seen(info) {
			r.finishUpdate(id, nil)
		}
	}
}
