package client

import (
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// Event is one of the types in this file: a client-side event of the catalogue
// in package event, which also says when it happens.
type Event interface {
	// View is the event's name in the catalogue.
	View() event.ViewName
	// subject is the participant at which the event is told as well; nil if none.
	subject() Participant
}

// ParticipantConnected tells that somebody has joined.
type ParticipantConnected struct{ Participant *RemoteParticipant }

// ParticipantDisconnected tells that somebody has left.
type ParticipantDisconnected struct {
	Participant *RemoteParticipant
	Reason      livekit.DisconnectReason
}

// Reconnecting tells that the connection is interrupted.
type Reconnecting struct {
	// Full says that the client joins anew: remote participants leave and come
	// again, as far as this client can tell, and local tracks get new sids.
	Full bool
}

// Reconnected tells that the connection is restored.
type Reconnected struct {
	// Full says that the client had to join anew.
	Full bool
}

// Disconnected tells that the local participant is out of the room. It is the
// last event of a room.
type Disconnected struct {
	Reason livekit.DisconnectReason
	// Err is set if the connection was lost and could not be restored.
	Err error
}

// TrackPublished tells that somebody has published a track.
type TrackPublished struct {
	Publication *RemotePublication
	Participant *RemoteParticipant
}

// TrackUnpublished tells that somebody has unpublished a track.
type TrackUnpublished struct {
	Publication *RemotePublication
	Participant *RemoteParticipant
}

// TrackSubscribed tells that a track is received.
type TrackSubscribed struct {
	Track       *RemoteTrack
	Publication *RemotePublication
	Participant *RemoteParticipant
}

// TrackUnsubscribed tells that a track is received no more.
type TrackUnsubscribed struct {
	Track       *RemoteTrack
	Publication *RemotePublication
	Participant *RemoteParticipant
}

// TrackSubscriptionFailed tells that a wanted track cannot be received.
type TrackSubscriptionFailed struct {
	TrackSID string
	Reason   livekit.SubscriptionError
	// Participant is nil if the track is of nobody known.
	Participant *RemoteParticipant
}

// TrackMuted tells that a local or remote track is muted.
type TrackMuted struct {
	Publication Publication
	Participant Participant
}

// TrackUnmuted tells that a local or remote track is unmuted.
type TrackUnmuted struct {
	Publication Publication
	Participant Participant
}

// LocalTrackPublished tells that the server has accepted a local track.
type LocalTrackPublished struct {
	Publication *LocalPublication
	Participant *LocalParticipant
}

// LocalTrackUnpublished tells that a local track is published no more.
type LocalTrackUnpublished struct {
	Publication *LocalPublication
	Participant *LocalParticipant
}

// ActiveSpeakersChanged tells who speaks now.
type ActiveSpeakersChanged struct {
	// Speakers are all who speak, the loudest first.
	Speakers []Participant
}

// IsSpeakingChanged tells that a participant begins or ends to speak. It is told
// at participants only; rooms have ActiveSpeakersChanged.
type IsSpeakingChanged struct {
	Speaking    bool
	Participant Participant
}

// ConnectionQualityChanged tells how good a participant's connection is now.
type ConnectionQualityChanged struct {
	Quality     livekit.ConnectionQuality
	Participant Participant
}

// ParticipantAttributesChanged tells which attributes of a participant changed.
type ParticipantAttributesChanged struct {
	// Changed holds the new values; a deleted attribute has an empty one.
	Changed     map[string]string
	Participant Participant
}

// ParticipantMetadataChanged tells a participant's new metadata.
type ParticipantMetadataChanged struct {
	Previous, Metadata string
	Participant        Participant
}

// ParticipantNameChanged tells a participant's new name.
type ParticipantNameChanged struct {
	Previous, Name string
	Participant    Participant
}

// RoomMetadataChanged tells the room's new metadata.
type RoomMetadataChanged struct{ Previous, Metadata string }

// DataReceived tells what somebody sent with PublishData, or the server's API.
type DataReceived struct {
	Payload []byte
	Topic   string
	// Kind is over which kind of channel it came.
	Kind livekit.DataPacket_Kind
	// Identity is the sender's; empty if the server sent it, or somebody hidden.
	Identity string
	// Participant is nil if the sender is not, or no more, in the room.
	Participant *RemoteParticipant
}

// TrackStreamStateChanged tells that the server paused or resumed a subscribed track.
type TrackStreamStateChanged struct {
	State       livekit.StreamState
	Publication *RemotePublication
	Participant *RemoteParticipant
}

// TrackSubscriptionPermissionChanged tells whether the publisher of a track lets
// the local participant subscribe to it.
type TrackSubscriptionPermissionChanged struct {
	Allowed     bool
	Publication *RemotePublication
	Participant *RemoteParticipant
}

// ParticipantPermissionsChanged tells what a participant may do now.
type ParticipantPermissionsChanged struct {
	Previous, Permissions *livekit.ParticipantPermission
	Participant           Participant
}

// View implements Event.
func (ParticipantConnected) View() event.ViewName { return event.ViewParticipantConnected }

// View implements Event.
func (ParticipantDisconnected) View() event.ViewName { return event.ViewParticipantDisconnected }

// View implements Event.
func (Reconnecting) View() event.ViewName { return event.ViewReconnecting }

// View implements Event.
func (Reconnected) View() event.ViewName { return event.ViewReconnected }

// View implements Event.
func (Disconnected) View() event.ViewName { return event.ViewDisconnected }

// View implements Event.
func (TrackPublished) View() event.ViewName { return event.ViewTrackPublished }

// View implements Event.
func (TrackUnpublished) View() event.ViewName { return event.ViewTrackUnpublished }

// View implements Event.
func (TrackSubscribed) View() event.ViewName { return event.ViewTrackSubscribed }

// View implements Event.
func (TrackUnsubscribed) View() event.ViewName { return event.ViewTrackUnsubscribed }

// View implements Event.
func (TrackSubscriptionFailed) View() event.ViewName { return event.ViewTrackSubscriptionFailed }

// View implements Event.
func (TrackMuted) View() event.ViewName { return event.ViewTrackMuted }

// View implements Event.
func (TrackUnmuted) View() event.ViewName { return event.ViewTrackUnmuted }

// View implements Event.
func (LocalTrackPublished) View() event.ViewName { return event.ViewLocalTrackPublished }

// View implements Event.
func (LocalTrackUnpublished) View() event.ViewName { return event.ViewLocalTrackUnpublished }

// View implements Event.
func (ActiveSpeakersChanged) View() event.ViewName { return event.ViewActiveSpeakersChanged }

// View implements Event.
func (IsSpeakingChanged) View() event.ViewName { return event.ViewIsSpeakingChanged }

// View implements Event.
func (ConnectionQualityChanged) View() event.ViewName { return event.ViewConnectionQualityChanged }

// View implements Event.
func (ParticipantAttributesChanged) View() event.ViewName {
	return event.ViewParticipantAttributesChanged
}

// View implements Event.
func (ParticipantMetadataChanged) View() event.ViewName { return event.ViewParticipantMetadataChanged }

// View implements Event.
func (ParticipantNameChanged) View() event.ViewName { return event.ViewParticipantNameChanged }

// View implements Event.
func (RoomMetadataChanged) View() event.ViewName { return event.ViewRoomMetadataChanged }

// View implements Event.
func (DataReceived) View() event.ViewName { return event.ViewDataReceived }

// View implements Event.
func (TrackStreamStateChanged) View() event.ViewName { return event.ViewTrackStreamStateChanged }

// View implements Event.
func (TrackSubscriptionPermissionChanged) View() event.ViewName {
	return event.ViewTrackSubscriptionPermissionChanged
}

// View implements Event.
func (ParticipantPermissionsChanged) View() event.ViewName {
	return event.ViewParticipantPermissionsChanged
}

func (ParticipantConnected) subject() Participant    { return nil }
func (ParticipantDisconnected) subject() Participant { return nil }
func (Reconnecting) subject() Participant            { return nil }
func (Reconnected) subject() Participant             { return nil }
func (Disconnected) subject() Participant            { return nil }
func (ActiveSpeakersChanged) subject() Participant   { return nil }
func (RoomMetadataChanged) subject() Participant     { return nil }

func (e TrackPublished) subject() Participant               { return e.Participant }
func (e TrackUnpublished) subject() Participant             { return e.Participant }
func (e TrackSubscribed) subject() Participant              { return e.Participant }
func (e TrackUnsubscribed) subject() Participant            { return e.Participant }
func (e TrackMuted) subject() Participant                   { return e.Participant }
func (e TrackUnmuted) subject() Participant                 { return e.Participant }
func (e LocalTrackPublished) subject() Participant          { return e.Participant }
func (e LocalTrackUnpublished) subject() Participant        { return e.Participant }
func (e IsSpeakingChanged) subject() Participant            { return e.Participant }
func (e ConnectionQualityChanged) subject() Participant     { return e.Participant }
func (e ParticipantAttributesChanged) subject() Participant { return e.Participant }
func (e ParticipantMetadataChanged) subject() Participant   { return e.Participant }
func (e ParticipantNameChanged) subject() Participant       { return e.Participant }
func (e TrackStreamStateChanged) subject() Participant      { return e.Participant }
func (e TrackSubscriptionPermissionChanged) subject() Participant {
	return e.Participant
}
func (e ParticipantPermissionsChanged) subject() Participant { return e.Participant }

func (e TrackSubscriptionFailed) subject() Participant { return orNobody(e.Participant) }
func (e DataReceived) subject() Participant            { return orNobody(e.Participant) }

// orNobody keeps a nil pointer out of the interface.
func orNobody(p *RemoteParticipant) Participant {
	if p == nil {
		return nil
	}
	return p
}
