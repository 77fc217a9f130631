package main

import (
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	rtc "github.com/rollcall-rtc/rollcall/client"
)

// seen is an event of a room as a participant sees it, for people and programs.
type seen struct {
	At       time.Time `json:"at"`
	Event    string    `json:"event"`
	Identity string    `json:"identity,omitempty"`
	Track    string    `json:"track,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	Data     []byte    `json:"data,omitempty"`
}

// see puts an event into words.
func see(e rtc.Event, at time.Time) seen {
	s := seen{At: at, Event: string(e.View())}
	who := func(p rtc.Participant) { s.Identity = p.Identity() }
	track := func(p rtc.Publication) {
		s.Track = p.SID()
		s.Detail = strings.TrimSpace(lower(p.Source()) + " " + p.MimeType())
	}
	switch e := e.(type) {
	case rtc.ParticipantConnected:
		who(e.Participant)
	case rtc.ParticipantDisconnected:
		who(e.Participant)
		s.Detail = lower(e.Reason)
	case rtc.Reconnecting:
		s.Detail = entirely(e.Full)
	case rtc.Reconnected:
		s.Detail = entirely(e.Full)
	case rtc.Disconnected:
		s.Detail = lower(e.Reason)
		if e.Err != nil {
			s.Detail += ": " + e.Err.Error()
		}
	case rtc.TrackPublished:
		who(e.Participant)
		track(e.Publication)
	case rtc.TrackUnpublished:
		who(e.Participant)
		track(e.Publication)
	case rtc.TrackSubscribed:
		who(e.Participant)
		track(e.Publication)
	case rtc.TrackUnsubscribed:
		who(e.Participant)
		track(e.Publication)
	case rtc.TrackSubscriptionFailed:
		if e.Participant != nil {
			who(e.Participant)
		}
		s.Track, s.Detail = e.TrackSID, lower(e.Reason)
	case rtc.TrackMuted:
		who(e.Participant)
		track(e.Publication)
	case rtc.TrackUnmuted:
		who(e.Participant)
		track(e.Publication)
	case rtc.LocalTrackPublished:
		who(e.Participant)
		track(e.Publication)
	case rtc.LocalTrackUnpublished:
		who(e.Participant)
		track(e.Publication)
	case rtc.ActiveSpeakersChanged:
		var names []string
		for _, p := range e.Speakers {
			names = append(names, p.Identity())
		}
		s.Detail = strings.Join(names, ", ")
	case rtc.ConnectionQualityChanged:
		who(e.Participant)
		s.Detail = lower(e.Quality)
	case rtc.ParticipantAttributesChanged:
		who(e.Participant)
		s.Detail = tagsText(maps.Clone(e.Changed))
	case rtc.ParticipantMetadataChanged:
		who(e.Participant)
		s.Detail = e.Metadata
	case rtc.ParticipantNameChanged:
		who(e.Participant)
		s.Detail = e.Name
	case rtc.RoomMetadataChanged:
		s.Detail = e.Metadata
	case rtc.DataReceived:
		s.Identity, s.Data, s.Detail = e.Identity, e.Payload, dataText(e.Payload)
		if e.Topic != "" {
			s.Detail = e.Topic + ": " + s.Detail
		}
	case rtc.TrackStreamStateChanged:
		who(e.Participant)
		track(e.Publication)
		s.Detail += " " + lower(e.State)
	case rtc.TrackSubscriptionPermissionChanged:
		who(e.Participant)
		track(e.Publication)
		s.Detail += map[bool]string{true: " allowed", false: " not allowed"}[e.Allowed]
	case rtc.ParticipantPermissionsChanged:
		who(e.Participant)
		s.Detail = "may " + permissionText(e.Permissions)
	}
	return s
}

// entirely tells a full reconnect from a resumed connection.
func entirely(full bool) string {
	if full {
		return "anew"
	}
	return ""
}

// dataText is data as far as it is text on a line.
func dataText(b []byte) string {
	text := string(b)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }) {
		return plural(len(b), "byte")
	}
	return shortened(text, 120)
}

func (s *seen) line(st style) string {
	return strings.TrimRight(fmt.Sprintf("%s  %s  %s  %s", st.faint(s.At.Local().Format("15:04:05.000")), st.bold(pad(s.Event, 34)),
		pad(strings.TrimSpace(s.Identity+" "+s.Track), 16), s.Detail), " ")
}
