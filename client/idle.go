package client

import (
	"slices"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// idling returns an offer of the server's as pion is to take it. pion stops a
// section's receiver each time that it is offered inactive, also the fresh one that it
// made the last time: a section that is inactive in two offers in a row could never be
// used again, and a server that uses sections again, lest descriptions grow, would send
// in vain. So what idles already is offered as something in which the server does not
// send either.
func (l *link) idling(offer string) (string, error) {
	var idle []string
	for _, t := range l.pc.GetTransceivers() {
		if t.Direction() == webrtc.RTPTransceiverDirectionInactive && t.Mid() != "" {
			idle = append(idle, t.Mid())
		}
	}
	if len(idle) == 0 {
		return offer, nil
	}
	var parsed sdp.SessionDescription
	if err := parsed.UnmarshalString(offer); err != nil {
		return "", err
	}
	for _, m := range parsed.MediaDescriptions {
		mid, _ := m.Attribute(sdp.AttrKeyMID)
		if !slices.Contains(idle, mid) {
			continue
		}
		for i := range m.Attributes {
			if m.Attributes[i].Key == sdp.AttrKeyInactive {
				m.Attributes[i].Key = sdp.AttrKeyRecvOnly
			}
		}
	}
	text, err := parsed.Marshal()
	return string(text), err
}
