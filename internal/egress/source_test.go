package egress

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// pub is something published: "ana/camera" is pictures but for microphones.
func pub(name string, order int, kind livekit.ParticipantInfo_Kind) *published {
	who, what, _ := strings.Cut(name, "/")
	source := livekit.TrackSource(livekit.TrackSource_value[strings.ToUpper(what)])
	t := &livekit.TrackInfo{Sid: name, Name: what, Source: source, Type: livekit.TrackType_VIDEO}
	if source == livekit.TrackSource_MICROPHONE || source == livekit.TrackSource_SCREEN_SHARE_AUDIO {
		t.Type = livekit.TrackType_AUDIO
	}
	return &published{&livekit.ParticipantInfo{Identity: who, Kind: kind}, t, order}
}

func TestSourcesChooseTheirTracks(t *testing.T) {
	all := map[string]*published{}
	for i, name := range []string{"ana/camera", "ana/microphone", "ana/screen_share", "ana/screen_share_audio", "bot/microphone", "bob/camera", "bob/microphone"} {
		kind := livekit.ParticipantInfo_STANDARD
		if strings.HasPrefix(name, "bot/") {
			kind = livekit.ParticipantInfo_AGENT
		}
		all[name] = pub(name, i, kind)
	}
	route := func(r *livekit.AudioRoute) []*livekit.AudioRoute { return []*livekit.AudioRoute{r} }
	agents := &livekit.AudioRoute{Match: &livekit.AudioRoute_ParticipantKind{ParticipantKind: livekit.ParticipantInfo_AGENT}, Channel: livekit.AudioChannel_AUDIO_CHANNEL_LEFT}
	for _, c := range []struct {
		src  request.Source
		want string
	}{
		{request.Source{Kind: request.Tracks, Audio: true, Video: true, AudioTrack: "bob/microphone", VideoTrack: "ana/camera"}, "bob/microphone ana/camera"},
		{request.Source{Kind: request.Participant, Audio: true, Video: true, Identity: "ana"}, "ana/microphone ana/camera"},
		{request.Source{Kind: request.Participant, Audio: true, Video: true, Identity: "ana", Screen: true}, "ana/screen_share_audio ana/screen_share"},
		{request.Source{Kind: request.Participant, Audio: true, Video: true, Identity: "bob", Screen: true}, "bob/microphone bob/camera"},
		{request.Source{Kind: request.Participant, Audio: true, Identity: "nobody"}, ""},
		{request.Source{Kind: request.Room, Audio: true}, "ana/microphone ana/screen_share_audio bot/microphone bob/microphone"},
		{request.Source{Kind: request.Media, Audio: true, Routes: route(agents)}, "bot/microphone(left)"},
		{request.Source{Kind: request.Media, Audio: true, Video: true, VideoTrack: "bob/camera", Routes: route(agents), Rest: true}, "ana/microphone ana/screen_share_audio bot/microphone(left) bob/microphone bob/camera"},
		{request.Source{Kind: request.Media, Audio: true, Rest: true, Routes: route(&livekit.AudioRoute{TrackName: "microphone", Exclude: true})}, "ana/screen_share_audio"},
		{request.Source{Kind: request.Room, Audio: true, Mixing: livekit.AudioMixing_DUAL_CHANNEL_AGENT},
			"ana/microphone(right) ana/screen_share_audio(right) bot/microphone(left) bob/microphone(right)"},
		{request.Source{Kind: request.Room, Audio: true, Mixing: livekit.AudioMixing_DUAL_CHANNEL_ALTERNATE},
			"ana/microphone(left) ana/screen_share_audio(right) bot/microphone(left) bob/microphone(right)"},
	} {
		var got []string
		for i, p := range wanted(&c.src, all) {
			name := p.track.Sid
			if p.track.Type == livekit.TrackType_AUDIO {
				if side := sideOf(&c.src, p, i); side != "" {
					name += "(" + side + ")"
				}
			}
			got = append(got, name)
		}
		sorted := strings.Join(got, " ")
		if c.src.Kind == request.Room || c.src.Kind == request.Media {
			// Those of a mix come in any order that prefers microphones; what matters is who.
			if len(strings.Fields(c.want)) != len(got) {
				t.Errorf("%+v: %v, want %s", c.src, got, c.want)
			}
			for _, one := range strings.Fields(c.want) {
				if c.src.Mixing != livekit.AudioMixing_DUAL_CHANNEL_ALTERNATE && !strings.Contains(" "+sorted+" ", " "+one+" ") {
					t.Errorf("%+v: %v has no %s", c.src, got, one)
				}
			}
			continue
		}
		if sorted != c.want {
			t.Errorf("%+v: %v, want %s", c.src, got, c.want)
		}
	}
}

// A participant's recording outlives a reconnect and ends some time after who is
// gone for good.
func TestWhoLeavesIsWaitedForAsLongAsTheReasonSays(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	ana := &livekit.ParticipantInfo{Identity: "ana"}
	for why, wait := range map[livekit.DisconnectReason]time.Duration{
		livekit.DisconnectReason_CLIENT_INITIATED:    waitAfterLeave,
		livekit.DisconnectReason_SIGNAL_CLOSE:        waitAfterLosing,
		livekit.DisconnectReason_PARTICIPANT_REMOVED: 0,
	} {
		tr := &tracks{src: &request.Source{Kind: request.Participant, Identity: "ana"}, changes: newChanges(), there: map[string]*published{}, people: map[string]bool{}}
		tr.changes.put(room.Change{What: room.ParticipantHere, Participant: ana})
		tr.note(now)
		if over, again := tr.ended(now.Add(time.Hour)); over || !again.IsZero() {
			t.Errorf("while ana is there: %v %v", over, again)
		}
		tr.changes.put(room.Change{What: room.ParticipantGone, Participant: ana, Left: why})
		tr.note(now)
		if over, _ := tr.ended(now.Add(wait - time.Millisecond)); over {
			t.Errorf("%v: over too early", why)
		}
		if over, _ := tr.ended(now.Add(wait)); !over {
			t.Errorf("%v: not over", why)
		}
		tr.changes.put(room.Change{What: room.ParticipantHere, Participant: ana})
		tr.note(now)
		if over, _ := tr.ended(now.Add(time.Hour)); over {
			t.Errorf("%v: over though ana is back", why)
		}
		tr.changes.put(room.Change{What: room.RoomOver})
		tr.note(now)
		if over, _ := tr.ended(now); !over {
			t.Error("not over with the room")
		}
	}
}

// refusing is rooms whose tracks nobody may tap.
type refusing struct{ Rooms }

func (refusing) Tap(context.Context, string, string, func()) (*room.Tap, error) {
	return nil, refuse(FailedPrecondition, "it is encrypted from end to end")
}

// A track that is left out is told of once, however often the room changes.
func TestTrackThatIsLeftOutIsToldOfOnce(t *testing.T) {
	var said strings.Builder
	s := &Service{opts: Options{Logger: slog.New(slog.NewTextHandler(&said, nil))}}
	changes := newChanges()
	j := &job{s: s, id: "EG_x", tracks: &tracks{
		src: &request.Source{Kind: request.Room, Audio: true, Video: true}, rooms: refusing{}, changes: changes,
		watch: &room.Watch{Room: &livekit.Room{Name: "den"}}, there: make(map[string]*published), people: make(map[string]bool), tapped: make(map[string]*tapped),
	}}
	publish := func(name string) {
		p := pub(name, 0, livekit.ParticipantInfo_STANDARD)
		changes.put(room.Change{What: room.TrackPublished, Participant: p.who, Track: p.track})
	}
	for n, step := range []struct {
		change func()
		want   int // lines by then
	}{
		{func() { publish("ana/camera") }, 1},
		{func() {}, 1},
		{func() { publish("bob/camera") }, 2},
		{func() {}, 2},
	} {
		step.change()
		j.follow()
		if got := strings.Count(said.String(), "left out"); got != step.want {
			t.Errorf("after step %d it was said %d times, want %d:\n%s", n, got, step.want, said.String())
		}
	}
}
