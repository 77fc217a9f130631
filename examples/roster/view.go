package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
)

// View implements tea.Model.
func (m model) View() string {
	var b strings.Builder
	s := m.state
	fmt.Fprintf(&b, "%s · %s · %d here\n\n", s.Name, s.Connection, 1+len(s.Participants))
	for _, p := range append([]client.ParticipantState{s.Local}, s.Participants...) {
		name := p.Name
		if name == "" {
			name = p.Identity
		}
		mark := " "
		if slices.Contains(s.Speakers, p.Identity) {
			mark = "●"
		}
		fmt.Fprintf(&b, "%s %-20s %-5s", mark, name, bars(p.Quality))
		for _, t := range p.Tracks {
			b.WriteString("  " + describe(t))
		}
		b.WriteString("\n")
	}
	return b.String() + "\nq: leave\n"
}

func bars(q livekit.ConnectionQuality) string {
	switch q {
	case livekit.ConnectionQuality_EXCELLENT:
		return "▂▄▆"
	case livekit.ConnectionQuality_GOOD:
		return "▂▄"
	case livekit.ConnectionQuality_POOR:
		return "▂"
	default:
		return "lost"
	}
}

func describe(t client.TrackState) string {
	text := strings.ToLower(strings.ReplaceAll(t.Source.String(), "_", " "))
	switch {
	case t.Muted:
		text += " (muted)"
	case !t.Allowed:
		text += " (not for you)"
	case t.Stream == livekit.StreamState_PAUSED:
		text += " (paused)"
	}
	return text
}
