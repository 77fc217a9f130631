package main

import (
	"strings"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
)

// setup has everything told from the first event on.
func (p *participant) setup(room *client.Room) {
	client.On(room, func(e client.Event) { p.tell("", e) })
	client.On(room.Local(), func(e client.Event) { p.tell("participant:", e) })
	client.On(room, func(e client.ParticipantConnected) { p.followOne(e.Participant) })
	client.On(room, func(e client.TrackSubscribed) {
		go p.received.watch(e.Track, e.Participant.Identity(), source(e.Publication))
	})
}

// follow tells the events of those who were there already.
func (p *participant) follow(room *client.Room) {
	for _, other := range room.Participants() {
		p.followOne(other)
	}
}

func (p *participant) followOne(other *client.RemoteParticipant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.told[other.SID()] {
		p.told[other.SID()] = true
		client.On(other, func(e client.Event) { p.tell("participant:", e) })
	}
}

// tell tells an event under the name that the harness has for it.
func (p *participant) tell(prefix string, e client.Event) {
	var name string
	fields := map[string]any{}
	who := func(x client.Participant) { fields["identity"] = x.Identity() }
	track := func(pub client.Publication, x client.Participant) {
		who(x)
		fields["sid"], fields["source"], fields["mime"] = pub.SID(), source(pub), pub.MimeType()
		fields["kind"] = strings.ToLower(pub.Kind().String())
	}
	switch e := e.(type) {
	case client.ParticipantConnected:
		name = "participantConnected"
		who(e.Participant)
		fields["sid"] = e.Participant.SID()
	case client.ParticipantDisconnected:
		name = "participantDisconnected"
		who(e.Participant)
		fields["sid"] = e.Participant.SID()
	case client.Reconnecting:
		name = "reconnecting"
	case client.Reconnected:
		name = "reconnected"
	case client.Disconnected:
		name, fields["reason"] = "disconnected", e.Reason.String()
	case client.TrackPublished:
		name = "trackPublished"
		track(e.Publication, e.Participant)
	case client.TrackUnpublished:
		name = "trackUnpublished"
		track(e.Publication, e.Participant)
	case client.TrackSubscribed:
		name = "trackSubscribed"
		track(e.Publication, e.Participant)
	case client.TrackUnsubscribed:
		name = "trackUnsubscribed"
		track(e.Publication, e.Participant)
	case client.TrackSubscriptionFailed:
		name, fields["sid"] = "trackSubscriptionFailed", e.TrackSID
	case client.TrackMuted:
		name = "trackMuted"
		track(e.Publication, e.Participant)
	case client.TrackUnmuted:
		name = "trackUnmuted"
		track(e.Publication, e.Participant)
	case client.LocalTrackPublished:
		name = "localTrackPublished"
		track(e.Publication, e.Participant)
	case client.LocalTrackUnpublished:
		name = "localTrackUnpublished"
		track(e.Publication, e.Participant)
	case client.ActiveSpeakersChanged:
		identities := []string{}
		for _, s := range e.Speakers {
			identities = append(identities, s.Identity())
		}
		name, fields["identities"] = "activeSpeakers", identities
	case client.IsSpeakingChanged:
		name, fields["speaking"] = "isSpeaking", e.Speaking
		who(e.Participant)
	case client.ConnectionQualityChanged:
		name, fields["quality"] = "connectionQuality", strings.ToLower(e.Quality.String())
		who(e.Participant)
	case client.ParticipantAttributesChanged:
		name, fields["changed"] = "attributes", e.Changed
		who(e.Participant)
	case client.ParticipantMetadataChanged:
		name, fields["metadata"] = "metadata", e.Metadata
		who(e.Participant)
	case client.ParticipantNameChanged:
		name, fields["name"] = "name", e.Name
		who(e.Participant)
	case client.RoomMetadataChanged:
		name, fields["metadata"] = "roomMetadata", e.Metadata
	case client.DataReceived:
		name = "data"
		fields["from"], fields["text"], fields["topic"] = e.Identity, string(e.Payload), e.Topic
	case client.TrackStreamStateChanged:
		name, fields["state"] = "streamState", strings.ToLower(e.State.String())
		track(e.Publication, e.Participant)
	case client.TrackSubscriptionPermissionChanged:
		name, fields["status"] = "subscriptionPermission", "allowed"
		if !e.Allowed {
			fields["status"] = "not_allowed"
		}
		track(e.Publication, e.Participant)
	case client.ParticipantPermissionsChanged:
		name, fields["canPublish"] = "permissions", e.Permissions.GetCanPublish()
		who(e.Participant)
	default:
		name = string(e.View())
	}
	p.out.event(prefix+name, fields)
}

// source spells a track's source as the browser SDK does.
func source(pub client.Publication) string {
	if pub.Source() == livekit.TrackSource_UNKNOWN {
		return ""
	}
	return strings.ToLower(pub.Source().String())
}
