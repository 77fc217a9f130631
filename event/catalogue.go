package event

// Name is the name of an event as it stands in a webhook's "event" field.
type Name string

// The events that LiveKit documents, and that stock receivers know.
const (
	RoomStarted                  Name = "room_started"
	RoomFinished                 Name = "room_finished"
	ParticipantJoined            Name = "participant_joined"
	ParticipantLeft              Name = "participant_left"
	ParticipantConnectionAborted Name = "participant_connection_aborted"
	TrackPublished               Name = "track_published"
	TrackUnpublished             Name = "track_unpublished"
	EgressStarted                Name = "egress_started"
	EgressUpdated                Name = "egress_updated"
	EgressEnded                  Name = "egress_ended"
	IngressStarted               Name = "ingress_started"
	IngressEnded                 Name = "ingress_ended"
)

// The events of agent jobs, which LiveKit's receivers know and its documentation
// does not list yet.
const (
	AgentJobPending Name = "agent_job_pending"
	AgentJobStarted Name = "agent_job_started"
	AgentJobEnded   Name = "agent_job_ended"
)

// The events beyond LiveKit's. An endpoint gets them when it asks for them.
const (
	ParticipantConnecting         Name = "participant_connecting"
	ParticipantConnectionLost     Name = "participant_connection_lost"
	ParticipantReconnecting       Name = "participant_reconnecting"
	ParticipantResumed            Name = "participant_resumed"
	ParticipantNameChanged        Name = "participant_name_changed"
	ParticipantMetadataChanged    Name = "participant_metadata_changed"
	ParticipantAttributesChanged  Name = "participant_attributes_changed"
	ParticipantPermissionsChanged Name = "participant_permissions_changed"
	ParticipantSpoke              Name = "participant_spoke"
	ConnectionQualityChanged      Name = "connection_quality_changed"
	TrackMuted                    Name = "track_muted"
	TrackUnmuted                  Name = "track_unmuted"
	SubscriptionFailed            Name = "subscription_failed"
	RoomMetadataChanged           Name = "room_metadata_changed"
	DataSent                      Name = "data_sent"
	ParticipantSummary            Name = "participant_summary"
	RoomSummary                   Name = "room_summary"
)

// Scope says whose life an event belongs to, and with that what its payload holds.
type Scope uint8

// The scopes, from the outside in: a track closes before its participant, a
// participant before its room.
const (
	ScopeRoom Scope = iota + 1
	ScopeParticipant
	ScopeTrack
	ScopeEgress
	ScopeIngress
	ScopeJob
)

// String returns the scope's name as the documentation prints it.
func (s Scope) String() string {
	switch s {
	case ScopeRoom:
		return "room"
	case ScopeParticipant:
		return "participant"
	case ScopeTrack:
		return "track"
	case ScopeEgress:
		return "egress"
	case ScopeIngress:
		return "ingress"
	case ScopeJob:
		return "job"
	default:
		return "unknown"
	}
}

// Definition is one entry of the catalogue.
type Definition struct {
	Name Name
	// Scope says which payload fields are set; see Event.
	Scope Scope
	// Doc is one sentence: when the event happens.
	Doc string
	// Closes lists the events that this one ends: after it, the thing that
	// they opened exists no more.
	Closes []Name
	// Stock says that LiveKit has the event, so every receiver may get it. The
	// others go to endpoints that ask for them; their bodies may hold a field
	// "rollcall" with what Detail describes.
	Stock bool
	// Detail is an example of what Event.Detail holds; nil if nothing.
	Detail any
}

// catalogue is the one list; its order is the order of the documentation.
var catalogue = []Definition{
	{Name: RoomStarted, Scope: ScopeRoom, Stock: true,
		Doc: "A room session begins: the first participant joins a name that has no live room, or CreateRoom makes it."},
	{Name: RoomFinished, Scope: ScopeRoom, Stock: true, Closes: []Name{RoomStarted},
		Doc: "The room session is over: deleted through the API, empty for longer than its timeout, or closed with the server. Nothing of the session follows."},
	{Name: ParticipantJoined, Scope: ScopeParticipant, Stock: true,
		Doc: "A participant's transport is up: the client SDK reports that it is connected."},
	{Name: ParticipantLeft, Scope: ScopeParticipant, Stock: true, Closes: []Name{ParticipantJoined},
		Doc: "A participant that had joined is gone; disconnectReason says why."},
	{Name: ParticipantConnectionAborted, Scope: ScopeParticipant, Stock: true, Closes: []Name{ParticipantConnecting},
		Doc: "A participant was accepted but its transport never came up, so it never joined; it gets this event in place of joined and left."},
	{Name: TrackPublished, Scope: ScopeTrack, Stock: true,
		Doc: "Media of a newly published track can flow: its transport is bound."},
	{Name: TrackUnpublished, Scope: ScopeTrack, Stock: true, Closes: []Name{TrackPublished},
		Doc: "A published track ended, by its publisher, by a lost permission, or with its publisher's session; it precedes participant_left."},
	{Name: EgressStarted, Scope: ScopeEgress, Stock: true,
		Doc: "An egress was accepted and starts."},
	{Name: EgressUpdated, Scope: ScopeEgress, Stock: true,
		Doc: "An egress changed its state or its outputs."},
	{Name: EgressEnded, Scope: ScopeEgress, Stock: true, Closes: []Name{EgressStarted},
		Doc: "An egress is complete, failed, aborted or at its limit."},
	{Name: IngressStarted, Scope: ScopeIngress, Stock: true,
		Doc: "An ingress publishes into its room."},
	{Name: IngressEnded, Scope: ScopeIngress, Stock: true, Closes: []Name{IngressStarted},
		Doc: "An ingress ended or failed."},
	{Name: AgentJobPending, Scope: ScopeJob, Stock: true,
		Doc: "A job for an agent was dispatched and waits for a worker."},
	{Name: AgentJobStarted, Scope: ScopeJob, Stock: true,
		Doc: "A worker runs the job."},
	{Name: AgentJobEnded, Scope: ScopeJob, Stock: true, Closes: []Name{AgentJobPending, AgentJobStarted},
		Doc: "The job is done or failed."},

	{Name: ParticipantConnecting, Scope: ScopeParticipant,
		Doc: "A participant was accepted and its transport comes up; it ends in participant_joined or participant_connection_aborted."},
	{Name: ParticipantConnectionLost, Scope: ScopeParticipant, Detail: &Lost{},
		Doc: "Nothing is heard of a participant any more; it may come back. This is early: participant_left follows after the timeout."},
	{Name: ParticipantReconnecting, Scope: ScopeParticipant,
		Doc: "A participant whose connection was lost or that changed networks is bringing up its transport again."},
	{Name: ParticipantResumed, Scope: ScopeParticipant,
		Doc: "A participant is back in the same session, with its tracks and subscriptions."},
	{Name: ParticipantNameChanged, Scope: ScopeParticipant, Detail: &Changed{},
		Doc: "A participant's display name changed."},
	{Name: ParticipantMetadataChanged, Scope: ScopeParticipant, Detail: &Changed{},
		Doc: "A participant's metadata changed."},
	{Name: ParticipantAttributesChanged, Scope: ScopeParticipant, Detail: &Changed{},
		Doc: "Some of a participant's attributes changed."},
	{Name: ParticipantPermissionsChanged, Scope: ScopeParticipant, Detail: &Changed{},
		Doc: "A participant's permissions changed."},
	{Name: ParticipantSpoke, Scope: ScopeParticipant, Detail: &Speech{},
		Doc: "A participant has spoken, from the start to the end of the segment; it is told at the end."},
	{Name: ConnectionQualityChanged, Scope: ScopeParticipant, Detail: &Quality{},
		Doc: "A participant's connection became better or worse."},
	{Name: TrackMuted, Scope: ScopeTrack, Detail: &Changed{},
		Doc: "A published track was muted, by its publisher or through the API."},
	{Name: TrackUnmuted, Scope: ScopeTrack, Detail: &Changed{},
		Doc: "A published track was unmuted."},
	{Name: SubscriptionFailed, Scope: ScopeTrack, Detail: &Failure{},
		Doc: "A participant cannot have a track that it wants; the participant is the subscriber."},
	{Name: RoomMetadataChanged, Scope: ScopeRoom, Detail: &Changed{},
		Doc: "The room's metadata changed."},
	{Name: DataSent, Scope: ScopeRoom, Detail: &Data{},
		Doc: "The API sent data into the room. The payload is not recorded."},
	{Name: ParticipantSummary, Scope: ScopeParticipant, Detail: &Summary{},
		Doc: "What a participant's session was like; it follows participant_left, unless that was concluded after a crash."},
	{Name: RoomSummary, Scope: ScopeRoom, Detail: &RoomTotals{},
		Doc: "What a room session was like, from its start and through restarts of the server; it precedes room_finished."},
}

// Catalogue returns every definition, in the order of the documentation.
func Catalogue() []Definition {
	return append([]Definition(nil), catalogue...)
}

// Lookup returns the definition of name, and whether there is one.
func Lookup(name Name) (Definition, bool) {
	i, ok := places[name]
	if !ok {
		return Definition{}, false
	}
	return catalogue[i], true
}

// places tells where each event is in the catalogue.
var places = func() map[Name]int {
	m := make(map[Name]int, len(catalogue))
	for i, d := range catalogue {
		m[d.Name] = i
	}
	return m
}()
