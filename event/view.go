package event

// ViewName is the name of an event as client SDKs tell it to an application.
type ViewName string

// The client-side events that LiveKit documents for all of its SDKs.
const (
	ViewParticipantConnected               ViewName = "ParticipantConnected"
	ViewParticipantDisconnected            ViewName = "ParticipantDisconnected"
	ViewReconnecting                       ViewName = "Reconnecting"
	ViewReconnected                        ViewName = "Reconnected"
	ViewDisconnected                       ViewName = "Disconnected"
	ViewTrackPublished                     ViewName = "TrackPublished"
	ViewTrackUnpublished                   ViewName = "TrackUnpublished"
	ViewTrackSubscribed                    ViewName = "TrackSubscribed"
	ViewTrackUnsubscribed                  ViewName = "TrackUnsubscribed"
	ViewTrackMuted                         ViewName = "TrackMuted"
	ViewTrackUnmuted                       ViewName = "TrackUnmuted"
	ViewLocalTrackPublished                ViewName = "LocalTrackPublished"
	ViewLocalTrackUnpublished              ViewName = "LocalTrackUnpublished"
	ViewActiveSpeakersChanged              ViewName = "ActiveSpeakersChanged"
	ViewIsSpeakingChanged                  ViewName = "IsSpeakingChanged"
	ViewConnectionQualityChanged           ViewName = "ConnectionQualityChanged"
	ViewParticipantAttributesChanged       ViewName = "ParticipantAttributesChanged"
	ViewParticipantMetadataChanged         ViewName = "ParticipantMetadataChanged"
	ViewRoomMetadataChanged                ViewName = "RoomMetadataChanged"
	ViewDataReceived                       ViewName = "DataReceived"
	ViewTrackStreamStateChanged            ViewName = "TrackStreamStateChanged"
	ViewTrackSubscriptionPermissionChanged ViewName = "TrackSubscriptionPermissionChanged"
	ViewParticipantPermissionsChanged      ViewName = "ParticipantPermissionsChanged"
)

// The client-side events beyond the documented ones, which most SDKs have too.
const (
	ViewTrackSubscriptionFailed ViewName = "TrackSubscriptionFailed"
	ViewParticipantNameChanged  ViewName = "ParticipantNameChanged"
)

// View is a client-side event: what one participant sees of what happens. It is
// not durable, and nobody but that participant's application gets it.
type View struct {
	Name ViewName
	// Room and Participant say where an application hears of it.
	Room, Participant bool
	// Stock says that LiveKit documents it for all SDKs.
	Stock bool
	// Doc is one sentence: when the event happens.
	Doc string
}

// Views are all client-side events, in the order in which LiveKit documents them.
var Views = []View{
	{ViewParticipantConnected, true, false, true, "Somebody joins after the local participant."},
	{ViewParticipantDisconnected, true, false, true, "Somebody leaves."},
	{ViewReconnecting, true, false, true, "The connection to the server is interrupted, and the client tries to restore it."},
	{ViewReconnected, true, false, true, "The connection is restored."},
	{ViewDisconnected, true, false, true, "The local participant is out of the room for good; the last event there is."},
	{ViewTrackPublished, true, true, true, "Somebody publishes a track after the local participant has joined."},
	{ViewTrackUnpublished, true, true, true, "Somebody unpublishes a track."},
	{ViewTrackSubscribed, true, true, true, "The local participant receives a track."},
	{ViewTrackUnsubscribed, true, true, true, "The local participant receives a track no more."},
	{ViewTrackMuted, true, true, true, "A track is muted, a local or a remote one."},
	{ViewTrackUnmuted, true, true, true, "A track is unmuted, a local or a remote one."},
	{ViewLocalTrackPublished, true, true, true, "The local participant has published a track."},
	{ViewLocalTrackUnpublished, true, true, true, "A track of the local participant is unpublished, by itself or by the server."},
	{ViewActiveSpeakersChanged, true, false, true, "Other participants speak than before, or they are louder or lower."},
	{ViewIsSpeakingChanged, false, true, true, "A participant begins or ends to speak."},
	{ViewConnectionQualityChanged, true, true, true, "The quality of a participant's connection has changed."},
	{ViewParticipantAttributesChanged, true, true, true, "A participant's attributes have changed."},
	{ViewParticipantMetadataChanged, true, true, true, "A participant's metadata has changed."},
	{ViewRoomMetadataChanged, true, false, true, "The room's metadata has changed."},
	{ViewDataReceived, true, true, true, "Data has come from a participant or from the server."},
	{ViewTrackStreamStateChanged, true, true, true, "The server pauses or resumes a subscribed track, for there is no bandwidth or there is again."},
	{ViewTrackSubscriptionPermissionChanged, true, true, true, "A publisher allows or forbids the local participant to subscribe to a track."},
	{ViewParticipantPermissionsChanged, true, true, true, "A participant's permissions have changed."},
	{ViewTrackSubscriptionFailed, true, true, false, "A track that the local participant wants cannot be received."},
	{ViewParticipantNameChanged, true, true, false, "A participant's name has changed."},
}

// LookupView returns the definition of a client-side event.
func LookupView(name ViewName) (View, bool) {
	for _, v := range Views {
		if v.Name == name {
			return v, true
		}
	}
	return View{}, false
}
