package main

import (
	"strings"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
)

// participantCallback tells what the SDK tells at a participant, under names
// with a prefix; the room has one of its own, for all participants.
func (p *participant) participantCallback(prefix string) lksdk.ParticipantCallback {
	tell := func(event string, fields map[string]any) { p.out.event(prefix+event, fields) }
	return lksdk.ParticipantCallback{
		OnLocalTrackPublished: func(pub *lksdk.LocalTrackPublication, _ *lksdk.LocalParticipant) {
			tell("localTrackPublished", map[string]any{"sid": pub.SID()})
		},
		OnLocalTrackUnpublished: func(pub *lksdk.LocalTrackPublication, _ *lksdk.LocalParticipant) {
			tell("localTrackUnpublished", map[string]any{"sid": pub.SID()})
		},
		OnTrackPublished: func(pub *lksdk.RemoteTrackPublication, rp *lksdk.RemoteParticipant) {
			tell("trackPublished", trackFields(pub, rp))
		},
		OnTrackUnpublished: func(pub *lksdk.RemoteTrackPublication, rp *lksdk.RemoteParticipant) {
			tell("trackUnpublished", trackFields(pub, rp))
		},
		OnTrackSubscribed: func(track *webrtc.TrackRemote, pub *lksdk.RemoteTrackPublication, rp *lksdk.RemoteParticipant) {
			if prefix == "" { // both are called for the same track
				p.received.watch(track, rp.Identity(), sourceName(pub.Source()), func() { rp.WritePLI(track.SSRC()) })
			}
			tell("trackSubscribed", trackFields(pub, rp))
		},
		OnTrackUnsubscribed: func(_ *webrtc.TrackRemote, pub *lksdk.RemoteTrackPublication, rp *lksdk.RemoteParticipant) {
			tell("trackUnsubscribed", trackFields(pub, rp))
		},
		OnTrackMuted: func(pub lksdk.TrackPublication, who lksdk.Participant) {
			tell("trackMuted", trackFields(pub, who))
		},
		OnTrackUnmuted: func(pub lksdk.TrackPublication, who lksdk.Participant) {
			tell("trackUnmuted", trackFields(pub, who))
		},
		OnIsSpeakingChanged: func(who lksdk.Participant) {
			tell("isSpeaking", map[string]any{"identity": who.Identity(), "speaking": who.IsSpeaking()})
		},
		OnConnectionQualityChanged: func(update *livekit.ConnectionQualityInfo, who lksdk.Participant) {
			tell("connectionQuality", map[string]any{"identity": who.Identity(), "quality": strings.ToLower(update.Quality.String())})
		},
		OnMetadataChanged: func(_ string, who lksdk.Participant) {
			tell("metadata", map[string]any{"identity": who.Identity(), "metadata": who.Metadata()})
		},
		OnAttributesChanged: func(changed map[string]string, who lksdk.Participant) {
			tell("attributes", map[string]any{"identity": who.Identity(), "changed": changed})
		},
		OnDataPacket: func(data lksdk.DataPacket, params lksdk.DataReceiveParams) {
			user, ok := data.(*lksdk.UserDataPacket)
			if !ok {
				return
			}
			tell("data", map[string]any{
				"from": params.SenderIdentity, "text": string(user.Payload), "topic": user.Topic,
			})
		},
	}
}

// ownCallback is what one participant tells, beside the room.
func (p *participant) ownCallback() *lksdk.ParticipantCallback {
	all := lksdk.NewParticipantCallback() // the SDK calls every one of them
	own := p.participantCallback("participant:")
	all.Merge(&own)
	return all
}
