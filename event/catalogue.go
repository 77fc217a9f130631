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
	// Stock says that LiveKit documents the event, so every receiver may get it.
	Stock bool
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
	{Name: ParticipantConnectionAborted, Scope: ScopeParticipant, Stock: true,
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
}

// Catalogue returns every definition, in the order of the documentation.
func Catalogue() []Definition {
	return append([]Definition(nil), catalogue...)
}

// Lookup returns the definition of name, and whether there is one.
func Lookup(name Name) (Definition, bool) {
	for _, d := range catalogue {
		if d.Name == name {
			return d, true
		}
	}
	return Definition{}, false
}
