package egress

import (
	"cmp"
	"slices"
	"strings"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/request"
)

// published is a track of the room that is recorded.
type published struct {
	who   *livekit.ParticipantInfo
	track *livekit.TrackInfo
	order int // in which tracks came
}

// wanted returns what of the published tracks a source is, and in what order: those
// of one kind of which one is recorded at a time come worst first.
func wanted(src *request.Source, all map[string]*published) []*published {
	var sound, pictures []*published
	for _, p := range all {
		if p.track.Type == livekit.TrackType_VIDEO {
			if src.Video && picks(src, p, true) {
				pictures = append(pictures, p)
			}
		} else if src.Audio && picks(src, p, false) {
			sound = append(sound, p)
		}
	}
	one := src.Kind == request.Tracks || src.Kind == request.Participant
	choose := func(list []*published, one bool) []*published {
		slices.SortFunc(list, func(a, b *published) int {
			return cmp.Or(cmp.Compare(rank(src, b), rank(src, a)), cmp.Compare(a.order, b.order))
		})
		if one && len(list) > 1 {
			return list[len(list)-1:]
		}
		return list
	}
	return append(choose(sound, one), choose(pictures, one || src.Kind == request.Media)...)
}

// picks says whether a track is of the source.
func picks(src *request.Source, p *published, video bool) bool {
	switch src.Kind {
	case request.Tracks:
		return p.track.Sid == src.AudioTrack || p.track.Sid == src.VideoTrack
	case request.Participant:
		return p.who.Identity == src.Identity
	case request.Media:
		if video {
			return p.track.Sid == src.VideoTrack || src.Identity != "" && p.who.Identity == src.Identity
		}
		_, heard := side(src, p)
		return heard
	case request.Room:
		return p.who.Kind != livekit.ParticipantInfo_EGRESS
	}
	return false
}

// rank is lower for what is preferred of one participant.
func rank(src *request.Source, p *published) int {
	screen := p.track.Source == livekit.TrackSource_SCREEN_SHARE || p.track.Source == livekit.TrackSource_SCREEN_SHARE_AUDIO
	switch {
	case screen == src.Screen && p.track.Source != livekit.TrackSource_UNKNOWN:
		return 0
	case p.track.Source == livekit.TrackSource_UNKNOWN:
		return 1
	}
	return 2
}

// side says whether sound is heard, and where: the routes in order, then the rest.
func side(src *request.Source, p *published) (side string, heard bool) {
	for _, r := range src.Routes {
		if matches(r, p) {
			return strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(r.Channel.String(), "AUDIO_CHANNEL_"), "BOTH")), !r.Exclude
		}
	}
	return "", src.Rest
}

func matches(r *livekit.AudioRoute, p *published) bool {
	if r.TrackName != "" && r.TrackName != p.track.Name {
		return false
	}
	switch m := r.Match.(type) {
	case *livekit.AudioRoute_TrackId:
		return m.TrackId == p.track.Sid
	case *livekit.AudioRoute_ParticipantIdentity:
		return m.ParticipantIdentity == p.who.Identity
	case *livekit.AudioRoute_ParticipantKind:
		return m.ParticipantKind == p.who.Kind
	}
	return r.TrackName != ""
}

// sideOf is where a track of a job is heard: "", "left" or "right". nth counts the
// tracks of sound.
func sideOf(src *request.Source, p *published, nth int) string {
	switch {
	case src.Kind == request.Media:
		s, _ := side(src, p)
		return s
	case src.Mixing == livekit.AudioMixing_DUAL_CHANNEL_AGENT:
		if p.who.Kind == livekit.ParticipantInfo_AGENT {
			return "left"
		}
		return "right"
	case src.Mixing == livekit.AudioMixing_DUAL_CHANNEL_ALTERNATE:
		return []string{"left", "right"}[nth%2]
	}
	return ""
}
