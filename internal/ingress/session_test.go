package ingress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

func bubble(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, fn)
}

func (r *rig) wantEvents(why string, want ...string) {
	r.t.Helper()
	if d := cmp.Diff(want, r.events()); d != "" {
		r.t.Errorf("%s (-want +got):\n%s", why, d)
	}
}

// through is what the log has of a session that published one track.
var through = []string{
	"room_started", "participant_joined", "track_published", "ingress_started PUBLISHING",
	"track_unpublished", "participant_left",
}

func TestSessionIsAParticipantAndTellsItsStartAndEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		info := r.create(func(req *livekit.CreateIngressRequest) {
			req.Video = &livekit.IngressVideoOptions{Name: "desk", Source: livekit.TrackSource_SCREEN_SHARE}
		})
		x := r.admit(info)
		r.wantStatus(info.IngressId, livekit.IngressState_ENDPOINT_BUFFERING)
		track := r.publish(x)
		r.wantStatus(info.IngressId, livekit.IngressState_ENDPOINT_PUBLISHING)
		people, err := r.rooms.ListParticipants(t.Context(), "show")
		if err != nil || len(people) != 1 {
			t.Fatal(people, err)
		}
		p := people[0]
		if p.Identity != "encoder" || p.Name != "Encoder" || p.Metadata != "{}" || p.Kind != livekit.ParticipantInfo_INGRESS ||
			p.Attributes[livekit.AttrIngressID] != info.IngressId || p.State != livekit.ParticipantInfo_ACTIVE {
			t.Errorf("participant %v", p)
		}
		if len(p.Tracks) != 1 || p.Tracks[0].Name != "desk" || p.Tracks[0].Source != livekit.TrackSource_SCREEN_SHARE ||
			p.Tracks[0].Width != 1280 || !strings.EqualFold(p.Tracks[0].MimeType, "video/h264") || p.Tracks[0].Sid != track.Info().Sid {
			t.Errorf("tracks %v", p.Tracks)
		}
		state := r.state(info.IngressId)
		if state.ResourceId != x.ID() || !strings.HasPrefix(state.RoomId, "RM_") || state.StartedAt == 0 || len(state.Tracks) != 1 {
			t.Errorf("state %v", state)
		}
		x.End(nil)
		x.End(errors.New("too late to matter"))
		r.wantStatus(info.IngressId, livekit.IngressState_ENDPOINT_INACTIVE)
		if state := r.state(info.IngressId); state.EndedAt < state.StartedAt || state.Error != "" {
			t.Errorf("state %v", state)
		}
		r.wantEvents("one session", append(through, "ingress_ended INACTIVE")...)
		if err := track.WriteSample(Sample{Data: keyframe()}); !errors.Is(err, ErrEnded) {
			t.Errorf("a sample after the end: %v", err)
		}
		// And again, with the same key.
		x = r.admit(info)
		r.publish(x)
		x.End(errors.New("codec \"mp3\" is not supported"))
		if state := r.state(info.IngressId); state.Status != livekit.IngressState_ENDPOINT_ERROR || !strings.Contains(state.Error, "mp3") {
			t.Errorf("state %v", state)
		}
	})
}

func TestPacketsOfASampleReachThoseWhoSubscribe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		x := r.admit(r.create())
		asked := 0
		if err := x.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		track, err := x.Publish(t.Context(), Format{MimeType: "video/H264", OnKeyframe: func(layer int) { asked++ }})
		if err != nil {
			t.Fatal(err)
		}
		sound, err := x.Publish(t.Context(), Format{MimeType: "audio/opus", Stereo: true})
		if err != nil {
			t.Fatal(err)
		}
		if sound.Info().Source != livekit.TrackSource_MICROPHONE || track.Info().Source != livekit.TrackSource_CAMERA {
			t.Errorf("sources %v %v", sound.Info().Source, track.Info().Source)
		}
		tap, err := r.rooms.Tap(t.Context(), "show", track.Info().Sid, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := new(packets)
		tap.Start(got)
		defer tap.Close()
		frame := append(keyframe(), bytes.Repeat([]byte{0xaa}, 5000)...)
		// A day and a half: timestamps wrap more than once on the way.
		for _, pts := range []time.Duration{0, 40 * time.Millisecond, 36 * time.Hour} {
			if err := track.WriteSample(Sample{Data: frame, PTS: pts}); err != nil {
				t.Fatal(err)
			}
		}
		if err := sound.WriteSample(Sample{Data: []byte{0xfc, 1, 2}, Level: 20, HasLevel: true}); err != nil {
			t.Fatal(err)
		}
		tap.RequestKeyframe()
		got.mu.Lock()
		defer got.mu.Unlock()
		var marks []uint32
		for i, h := range got.headers {
			if h.Marker {
				marks = append(marks, h.Timestamp-got.headers[0].Timestamp)
			}
			if i > 0 && h.SequenceNumber != got.headers[i-1].SequenceNumber+1 {
				t.Errorf("packet %d has number %d after %d", i, h.SequenceNumber, got.headers[i-1].SequenceNumber)
			}
		}
		day := uint64(36*3600) * 90_000
		if want := []uint32{0, 3600, uint32(day)}; !slices.Equal(marks, want) {
			t.Errorf("frames at %v, want %v", marks, want)
		}
		if asked == 0 {
			t.Error("nobody asked the source for a key frame")
		}
	})
}

func TestSilentSourceIsBufferingAndGoesOnAsTheSameParticipant(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		info := r.create()
		x := r.admit(info)
		track := r.publish(x)
		sleep(stallAfter + 2*watchInterval)
		r.wantStatus(info.IngressId, livekit.IngressState_ENDPOINT_BUFFERING)
		if err := track.WriteSample(Sample{Data: keyframe(), PTS: 3 * time.Second}); err != nil {
			t.Fatal(err)
		}
		sleep(2 * watchInterval)
		r.wantStatus(info.IngressId, livekit.IngressState_ENDPOINT_PUBLISHING)
		x.End(nil)
		r.wantEvents("a pause is nobody's end", append(through, "ingress_ended INACTIVE")...)
	})
}

func TestSecondConnectionWaitsForTheFirstToFallSilent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		info := r.create()
		first := r.admit(info)
		r.publish(first)
		sleep(silentAfter - time.Millisecond)
		if _, err := r.Admit(Source{Key: info.StreamKey, Input: info.InputType}); !errors.Is(err, ErrLive) {
			t.Fatalf("a second source beside a live one: %v", err)
		}
		sleep(time.Millisecond)
		second := r.admit(info)
		select {
		case <-first.Ended():
		default:
			t.Fatal("the first session goes on")
		}
		if !errors.Is(first.Cause(), ErrReplaced) || second.ID() == first.ID() {
			t.Errorf("replaced because of %v", first.Cause())
		}
		r.publish(second)
		second.End(nil)
		r.wantEvents("one after the other", append(append(through, "ingress_ended INACTIVE",
			"participant_joined", "track_published", "ingress_started PUBLISHING", "track_unpublished", "participant_left"), "ingress_ended INACTIVE")...)
	})
}

func TestWrongKeysAreRefusedAndLimited(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		info := r.create()
		from := netip.MustParseAddr("192.0.2.7")
		unknown, limited := 0, 0
		for i := range 1000 {
			_, err := r.Admit(Source{Key: fmt.Sprintf("guess-%d", i), Input: info.InputType, From: from})
			switch {
			case errors.Is(err, ErrUnknownKey):
				unknown++
			case errors.Is(err, ErrTooManyKeys):
				limited++
			default:
				t.Fatal(err)
			}
		}
		if unknown != wrongKeys || limited != 1000-wrongKeys {
			t.Errorf("%d unknown, %d limited", unknown, limited)
		}
		if _, err := r.Admit(Source{Key: info.StreamKey, Input: info.InputType, From: from}); !errors.Is(err, ErrTooManyKeys) {
			t.Errorf("the right key from there: %v", err)
		}
		if _, err := r.Admit(Source{Key: strings.Repeat("x", maxKey+1), Input: info.InputType}); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("a key too long: %v", err)
		}
		if _, err := r.Admit(Source{Input: info.InputType}); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("no key: %v", err)
		}
		x, err := r.Admit(Source{Key: info.StreamKey, Input: info.InputType, From: netip.MustParseAddr("192.0.2.8")})
		if err != nil {
			t.Fatalf("the right key from elsewhere: %v", err)
		}
		x.End(nil)
		sleep(time.Minute)
		if _, err := r.Admit(Source{Key: info.StreamKey, Input: livekit.IngressInput_WHIP_INPUT, From: from}); !errors.Is(err, ErrWrongInput) {
			t.Errorf("another protocol: %v", err)
		}
	})
}

func TestStreamKeyIsInNoEventAndNoLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		info := r.create()
		x := r.admit(info)
		r.publish(x)
		x.End(fmt.Errorf("cannot read rtmp://here/live/%s", info.StreamKey))
		if _, err := r.Delete(t.Context(), info.IngressId); err != nil {
			t.Fatal(err)
		}
		r.events()
		records, err := r.log.Read(t.Context(), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range records {
			if bytes.Contains(rec.Body, []byte(info.StreamKey)) {
				t.Errorf("%s: %s", rec.Name, rec.Body)
			}
		}
		if strings.Contains(r.logs.String(), info.StreamKey) {
			t.Error(r.logs.String())
		}
	})
}

func TestEndOfTheParticipantIsTheEndOfTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		remove func(r *rig) error
		says   string
		reason string // of the event
		actor  event.Actor
		status livekit.IngressState_Status
	}{
		"room deleted": {
			func(r *rig) error { return r.rooms.Delete(r.t.Context(), "show") },
			"the room was deleted", "room_deleted", event.ActorAPI, livekit.IngressState_ENDPOINT_INACTIVE,
		},
		"removed": {func(r *rig) error {
			return r.rooms.RemoveParticipant(r.t.Context(), "show", "encoder", time.Time{})
		}, "removed from the room", "participant_removed", event.ActorAPI, livekit.IngressState_ENDPOINT_INACTIVE},
		"replaced by its like": {func(r *rig) error {
			_, err := r.rooms.Inject(r.t.Context(), &room.Join{Room: "show", Identity: "encoder", Permission: &livekit.ParticipantPermission{CanPublish: true}}, room.InjectionHandler{})
			return err
		}, "another participant of the same identity", "duplicate_identity", event.ActorClient, livekit.IngressState_ENDPOINT_ERROR},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, nil)
				info := r.create()
				x := r.admit(info)
				r.publish(x)
				if err := c.remove(r); err != nil {
					t.Fatal(err)
				}
				<-x.Ended()
				if state := r.state(info.IngressId); state.Status != c.status || !strings.Contains(state.Error, c.says) {
					t.Errorf("state %v", state)
				}
				if n := count(r.events(), "ingress_ended "+strings.TrimPrefix(c.status.String(), "ENDPOINT_")); n != 1 {
					t.Errorf("%d ends", n)
				}
				records, err := r.log.Read(t.Context(), 0, 10_000)
				if err != nil {
					t.Fatal(err)
				}
				for _, rec := range records {
					if rec.Name == event.IngressEnded && (rec.Actor != c.actor || rec.Reason != c.reason) {
						t.Errorf("it was ended by %s: %s", rec.Actor, rec.Reason)
					}
				}
				// The key lets the next one in, who was removed not at once.
				sleep(2 * time.Minute)
				r.publish(r.admit(info))
			})
		})
	}
}

func count(words []string, word string) (n int) {
	for _, w := range words {
		if w == word {
			n++
		}
	}
	return n
}

func TestCrashAtAnyMomentLeavesOneEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		info := r.create()
		disks := map[string]*memory.Store{"created": r.crash()}
		x := r.admit(info)
		flush := func() {
			if err := r.log.FlushCursors(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		flush()
		disks["buffering"] = r.crash()
		track := r.publish(x)
		r.events()
		disks["publishing"] = r.crash()
		sleep(stallAfter + 2*watchInterval)
		flush()
		disks["stalled"] = r.crash()
		if err := track.WriteSample(Sample{Data: keyframe(), PTS: time.Minute}); err != nil {
			t.Fatal(err)
		}
		x.End(nil)
		flush()
		disks["ended"] = r.crash()

		for when, disk := range disks {
			again := newRig(t, disk)
			got := again.state(info.IngressId)
			words := again.events()
			ends := 0
			for _, w := range words {
				if strings.HasPrefix(w, string(event.IngressEnded)) {
					ends++
				}
			}
			switch {
			case when == "created":
				if ends != 0 || got.Status != livekit.IngressState_ENDPOINT_INACTIVE {
					t.Errorf("%s: %v, %v", when, got, words)
				}
			case when == "ended":
				if ends != 1 || got.Status != livekit.IngressState_ENDPOINT_INACTIVE {
					t.Errorf("%s: %v, %v", when, got, words)
				}
			case ends != 1 || got.Status != livekit.IngressState_ENDPOINT_ERROR || got.Error == "":
				t.Errorf("%s: %v, %v", when, got, words)
			}
			// And a second restart tells nothing again.
			if err := again.log.FlushCursors(t.Context()); err != nil {
				t.Fatal(err)
			}
			third := newRig(t, again.crash())
			if d := cmp.Diff(words, third.events()); d != "" {
				t.Errorf("%s, once more (-want +got):\n%s", when, d)
			}
			third.publish(third.admit(info))
		}
	})
}

func TestDrainLetsNoMoreSourcesIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		one, two := r.create(), r.create(func(req *livekit.CreateIngressRequest) { req.ParticipantIdentity = "other" })
		x := r.admit(one)
		track := r.publish(x)
		r.Drain()
		if _, err := r.Admit(Source{Key: two.StreamKey, Input: two.InputType}); !errors.Is(err, ErrStopping) {
			t.Errorf("admitted while draining: %v", err)
		}
		if err := track.WriteSample(Sample{Data: keyframe(), PTS: time.Second}); err != nil {
			t.Errorf("who is there does not go on: %v", err)
		}
	})
}

func TestStopEndsSessionsInGoodOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		info := r.create()
		x := r.admit(info)
		r.publish(x)
		if err := r.Service.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		r.wantEvents("a stop", append(through, "ingress_ended INACTIVE")...)
		if _, err := r.Admit(Source{Key: info.StreamKey, Input: info.InputType}); !errors.Is(err, ErrStopping) {
			t.Errorf("admitted after the stop: %v", err)
		}
		if !errors.Is(x.Cause(), ErrStopping) {
			t.Error(x.Cause())
		}
	})
}
