package token

import (
	"slices"
	"strings"

	"github.com/livekit/protocol/livekit"
)

// VideoGrant is the claim "video": actions on rooms, and permissions in one.
//
// A nil permission means its default: true for CanPublish and CanSubscribe,
// the effective CanPublish for CanPublishData, false for the others.
type VideoGrant struct {
	RoomCreate   bool `json:"roomCreate,omitempty"`
	RoomList     bool `json:"roomList,omitempty"`
	RoomRecord   bool `json:"roomRecord,omitempty"`
	IngressAdmin bool `json:"ingressAdmin,omitempty"`

	RoomAdmin       bool   `json:"roomAdmin,omitempty"`
	RoomJoin        bool   `json:"roomJoin,omitempty"`
	Room            string `json:"room,omitempty"`
	DestinationRoom string `json:"destinationRoom,omitempty"`

	CanPublish     *bool `json:"canPublish,omitempty"`
	CanSubscribe   *bool `json:"canSubscribe,omitempty"`
	CanPublishData *bool `json:"canPublishData,omitempty"`
	// CanPublishSources restricts CanPublish to these sources: camera,
	// microphone, screen_share, screen_share_audio. Empty means all.
	CanPublishSources     []string `json:"canPublishSources,omitempty"`
	CanUpdateOwnMetadata  *bool    `json:"canUpdateOwnMetadata,omitempty"`
	CanSubscribeMetrics   *bool    `json:"canSubscribeMetrics,omitempty"`
	CanManageAgentSession *bool    `json:"canManageAgentSession,omitempty"`

	Hidden   bool `json:"hidden,omitempty"`
	Recorder bool `json:"recorder,omitempty"`
	Agent    bool `json:"agent,omitempty"`
}

// SIPGrant is the claim "sip". It is carried, not yet acted upon.
type SIPGrant struct {
	Admin bool `json:"admin,omitempty"`
	Call  bool `json:"call,omitempty"`
}

// RollcallGrant is the private claim "rollcall", which other servers ignore.
type RollcallGrant struct {
	// Events permits reading the events of all rooms, or of Room.
	Events bool `json:"events,omitempty"`
	// Endpoints permits seeing and changing where events are delivered. It
	// concerns all rooms: beside a Room it permits nothing.
	Endpoints bool `json:"endpoints,omitempty"`
	// Forget permits taking a person out of past events: all, or those of Room.
	Forget bool `json:"forget,omitempty"`
	// Admin permits for all rooms, or for Room, what the video grant roomAdmin
	// permits for one; for all rooms, also what roomCreate and roomList do.
	Admin bool `json:"admin,omitempty"`
	// Room limits the grant to the room of that name.
	Room string `json:"room,omitempty"`
}

// Permission is what g permits in a room, with every default made concrete.
//
// A restriction to sources that do not exist permits none: it must not turn
// into the empty list, which means all.
func (g *VideoGrant) Permission() *livekit.ParticipantPermission {
	canPublish := orDefault(g.CanPublish, true)
	p := &livekit.ParticipantPermission{
		CanSubscribe:          orDefault(g.CanSubscribe, true),
		CanPublish:            canPublish,
		CanPublishData:        orDefault(g.CanPublishData, canPublish),
		CanUpdateMetadata:     orDefault(g.CanUpdateOwnMetadata, false),
		CanSubscribeMetrics:   orDefault(g.CanSubscribeMetrics, false),
		CanManageAgentSession: orDefault(g.CanManageAgentSession, false),
		Hidden:                g.Hidden,
		Recorder:              g.Recorder, //nolint:staticcheck // clients still read it
		Agent:                 g.Agent,    //nolint:staticcheck // clients still read it
	}
	for _, name := range g.CanPublishSources {
		source, ok := livekit.TrackSource_value[strings.ToUpper(name)]
		if ok && !slices.Contains(p.CanPublishSources, livekit.TrackSource(source)) {
			p.CanPublishSources = append(p.CanPublishSources, livekit.TrackSource(source))
		}
	}
	if len(g.CanPublishSources) > 0 && len(p.CanPublishSources) == 0 {
		p.CanPublish = false
	}
	return p
}

func (g *VideoGrant) setPermission(p *livekit.ParticipantPermission) {
	g.CanSubscribe = new(p.GetCanSubscribe())
	g.CanPublish = new(p.GetCanPublish())
	g.CanPublishData = new(p.GetCanPublishData())
	g.CanUpdateOwnMetadata = new(p.GetCanUpdateMetadata())
	g.CanSubscribeMetrics = new(p.GetCanSubscribeMetrics())
	g.CanManageAgentSession = new(p.GetCanManageAgentSession())
	g.Hidden = p.GetHidden()
	g.Recorder = p.GetRecorder() //nolint:staticcheck // clients still read it
	g.Agent = p.GetAgent()       //nolint:staticcheck // clients still read it
	g.CanPublishSources = nil
	for _, source := range p.GetCanPublishSources() {
		g.CanPublishSources = append(g.CanPublishSources, strings.ToLower(source.String()))
	}
}

func (g *VideoGrant) clone() *VideoGrant {
	if g == nil {
		return nil
	}
	h := *g
	for _, b := range []**bool{
		&h.CanPublish, &h.CanSubscribe, &h.CanPublishData,
		&h.CanUpdateOwnMetadata, &h.CanSubscribeMetrics, &h.CanManageAgentSession,
	} {
		if *b != nil {
			v := **b
			*b = &v
		}
	}
	h.CanPublishSources = slices.Clone(g.CanPublishSources)
	return &h
}

func orDefault(v *bool, def bool) bool {
	if v == nil {
		return def
	}
	return *v
}
