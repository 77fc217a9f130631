package main

import (
	"fmt"
	"strings"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
)

// participant is one session in a room.
type participant struct {
	out      *output    // immutable
	received *reception // immutable

	// Set once before the first command; callbacks do not use it.
	room *lksdk.Room
}

// command is one line of standard input.
type command struct {
	ID         int               `json:"id"`
	Op         string            `json:"op"`
	File       string            `json:"file"`
	Sid        string            `json:"sid"`
	Muted      bool              `json:"muted"`
	Subscribe  bool              `json:"subscribe"`
	Text       string            `json:"text"`
	Topic      string            `json:"topic"`
	To         []string          `json:"to"`
	Reliable   bool              `json:"reliable"`
	Metadata   string            `json:"metadata"`
	Name       string            `json:"name"`
	Attributes map[string]string `json:"attributes"`
	Identity   string            `json:"identity"`
	Width      int               `json:"width"`
	Height     int               `json:"height"`
}

// do carries out one command and returns what the harness is told.
func (p *participant) do(c command) (any, error) {
	local := p.room.LocalParticipant
	switch c.Op {
	case "publishCamera":
		return p.publish(c.File, livekit.TrackSource_CAMERA)
	case "publishMicrophone":
		return p.publish(c.File, livekit.TrackSource_MICROPHONE)
	case "publishFile":
		return p.publishFile(c.File, c.Width, c.Height)
	case "unpublish":
		return nil, local.UnpublishTrack(c.Sid)
	case "mute":
		for _, pub := range local.TrackPublications() {
			if pub.SID() == c.Sid {
				pub.(*lksdk.LocalTrackPublication).SetMuted(c.Muted)
				return nil, nil
			}
		}
		return nil, fmt.Errorf("mute: no track %q", c.Sid)
	case "data":
		return nil, local.PublishDataPacket(
			&lksdk.UserDataPacket{Payload: []byte(c.Text), Topic: c.Topic},
			lksdk.WithDataPublishReliable(c.Reliable),
			lksdk.WithDataPublishDestination(c.To),
		)
	case "setMetadata":
		local.SetMetadata(c.Metadata)
		return nil, nil
	case "setName":
		local.SetName(c.Name)
		return nil, nil
	case "setAttributes":
		local.SetAttributes(c.Attributes)
		return nil, nil
	case "listen":
		return nil, p.room.RegisterTextStreamHandler(c.Topic, func(reader *lksdk.TextStreamReader, from string) {
			p.out.event("text", map[string]any{"from": from, "text": reader.ReadAll()})
		})
	case "save":
		return p.received.save(c.Identity+"/camera", c.File)
	case "received":
		return p.received.snapshot(), nil
	case "leave":
		return nil, nil
	default:
		return nil, fmt.Errorf("unknown command %q", c.Op)
	}
}

func (p *participant) close() {
	p.room.Disconnect()
}

// callback tells every SDK event as a line.
func (p *participant) callback() *lksdk.RoomCallback {
	return &lksdk.RoomCallback{
		OnDisconnectedWithReason: func(lksdk.DisconnectionReason) {
			p.out.event("disconnected", map[string]any{"reason": p.room.DisconnectReason().String()})
		},
		OnParticipantConnected: func(rp *lksdk.RemoteParticipant) {
			rp.Callback = p.ownCallback()
			p.out.event("participantConnected", map[string]any{"identity": rp.Identity(), "sid": rp.SID()})
		},
		OnParticipantDisconnected: func(rp *lksdk.RemoteParticipant) {
			p.out.event("participantDisconnected", map[string]any{"identity": rp.Identity(), "sid": rp.SID()})
		},
		OnRoomMetadataChanged: func(metadata string) {
			p.out.event("roomMetadata", map[string]any{"metadata": metadata})
		},
		OnReconnecting: func() { p.out.event("reconnecting", nil) },
		OnReconnected:  func() { p.out.event("reconnected", nil) },
		OnActiveSpeakersChanged: func(speakers []lksdk.Participant) {
			identities := []string{}
			for _, s := range speakers {
				identities = append(identities, s.Identity())
			}
			p.out.event("activeSpeakers", map[string]any{"identities": identities})
		},
		ParticipantCallback: p.participantCallback(""),
	}
}

func trackFields(pub lksdk.TrackPublication, who lksdk.Participant) map[string]any {
	return map[string]any{
		"identity": who.Identity(),
		"sid":      pub.SID(),
		"kind":     string(pub.Kind()),
		"source":   sourceName(pub.Source()),
		"mime":     pub.MimeType(),
	}
}

// sourceName spells a source as the browser SDK does.
func sourceName(s livekit.TrackSource) string {
	return strings.ToLower(s.String())
}
