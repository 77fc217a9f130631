package client_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/event"
)

// scene is two participants: the watcher's events are recorded, everything at the
// room, and everything at the actor and at the watcher itself. The actor's are too.
type scene struct {
	*site
	mode           func(*client.Options)
	watcher, actor *client.Room
	room           *record // what the watcher's room tells
	person         *record // what the actor tells, as the watcher sees it
	self           *record // what the watcher's own participant tells
	own            *record // what the actor's room tells the actor
	track          *client.LocalTrack
	pub            *client.LocalPublication
	link           *link // of the watcher

	rooms, participants []*record // all there are, by where they were told
}

// atRoom returns an option that records what a room tells, and the record.
func (sc *scene) atRoom() (*record, func(*client.Options)) {
	r, option := recording(sc.t)
	sc.rooms = append(sc.rooms, r)
	return r, option
}

// atParticipant returns a record for what a participant tells.
func (sc *scene) atParticipant() *record {
	r := newRecord(sc.t)
	sc.participants = append(sc.participants, r)
	return r
}

// seen reports whether the test saw the event in any of the records.
func seen(records []*record, name event.ViewName) bool {
	return slices.ContainsFunc(records, func(r *record) bool { return r.asked[name] })
}

func newScene(t *testing.T, s *site, mode func(*client.Options)) *scene {
	sc := &scene{site: s, mode: mode}
	sc.person, sc.self = sc.atParticipant(), sc.atParticipant()
	var onRoom, onOwn func(*client.Options)
	sc.room, onRoom = sc.atRoom()
	sc.own, onOwn = sc.atRoom()
	var onLink func(*client.Options)
	sc.link, onLink = throughLink(t)
	sc.watcher = s.join("watcher", mode, onRoom, onLink, quickly, func(o *client.Options) {
		o.AllowPause = true
		setup := o.Setup
		o.Setup = func(room *client.Room) {
			setup(room)
			client.On(room.Local(), func(e client.Event) { sc.self.events <- e })
			client.On(room, func(e client.ParticipantConnected) {
				client.On(e.Participant, func(e client.Event) { sc.person.events <- e })
			})
		}
	})
	sc.actor = s.join("actor", mode, onOwn, quickly)
	eventually(t, sc.watcher, "the actor is there", func(s *client.State) bool { return len(s.Participants) == 1 })
	eventually(t, sc.actor, "the watcher is there", func(s *client.State) bool { return len(s.Participants) == 1 })
	return sc
}

// publish has the actor publish what plays until the test ends.
func (sc *scene) publish(codec string) *client.LocalPublication {
	sc.t.Helper()
	sc.track = client.NewLocalTrack(client.Opus)
	sample := tone()
	if codec == "video" {
		sc.track, sample = client.NewLocalTrack(client.VP8), picture(640, 360, 1000)
	}
	play(sc.t, sc.track, sample)
	var err error
	sc.pub, err = sc.actor.Local().Publish(sc.context(), client.PublishOptions{Name: "it", Width: 640, Height: 360}, sc.track)
	sc.must(err)
	return sc.pub
}

func (sc *scene) must(err error) {
	sc.t.Helper()
	if err != nil {
		sc.t.Fatal(err)
	}
}

func (sc *scene) check(ok bool, what string, got ...any) {
	sc.t.Helper()
	if !ok {
		sc.t.Errorf("%s: %+v", what, got)
	}
}

// causes provoke each of the catalogue's events by what really causes it, and
// check what it says: at the room, and at the participant if it is told there.
var causes = map[event.ViewName]func(sc *scene){
	event.ViewParticipantConnected: func(sc *scene) {
		e := next[client.ParticipantConnected](sc.room)
		sc.check(e.Participant == sc.watcher.Participant("actor") && e.Participant.SID() == sc.actor.Local().SID(), "who", e)
	},
	event.ViewParticipantDisconnected: func(sc *scene) {
		p := sc.watcher.Participant("actor")
		leave(sc.t, sc.actor)
		e := next[client.ParticipantDisconnected](sc.room)
		sc.check(e.Participant == p && e.Reason == livekit.DisconnectReason_CLIENT_INITIATED, "who and why", e)
	},
	event.ViewReconnecting: reconnects,
	event.ViewReconnected:  reconnects,
	event.ViewDisconnected: func(sc *scene) {
		api, ctx := sc.api()
		_, err := api.DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: sc.t.Name()})
		sc.must(err)
		e := next[client.Disconnected](sc.room)
		sc.check(e.Reason == livekit.DisconnectReason_ROOM_DELETED && e.Err == nil, "why", e)
	},
	event.ViewTrackPublished: func(sc *scene) {
		sc.publish("audio")
		for _, r := range []*record{sc.room, sc.person} {
			e := next[client.TrackPublished](r)
			sc.check(e.Publication.SID() == sc.pub.SID() && e.Publication.Name() == "it" && e.Publication.Source() == livekit.TrackSource_MICROPHONE && e.Participant.Identity() == "actor", "what", e.Publication.Info())
		}
	},
	event.ViewTrackUnpublished: func(sc *scene) {
		sc.publish("audio")
		next[client.TrackSubscribed](sc.person)
		sc.must(sc.actor.Local().Unpublish(sc.context(), sc.pub))
		for _, r := range []*record{sc.room, sc.person} {
			e := next[client.TrackUnpublished](r)
			sc.check(e.Publication.SID() == sc.pub.SID() && e.Participant.Identity() == "actor", "what", e)
		}
	},
	event.ViewTrackSubscribed: func(sc *scene) {
		sc.publish("audio")
		for _, r := range []*record{sc.room, sc.person} {
			e := next[client.TrackSubscribed](r)
			sc.check(e.Track.SID() == sc.pub.SID() && e.Publication.Track() == e.Track && e.Participant.Identity() == "actor", "what", e)
		}
	},
	event.ViewTrackUnsubscribed: func(sc *scene) {
		sc.publish("audio")
		pub := next[client.TrackSubscribed](sc.person).Publication
		sc.must(pub.SetSubscribed(sc.context(), false))
		for _, r := range []*record{sc.room, sc.person} {
			e := next[client.TrackUnsubscribed](r)
			sc.check(e.Publication == pub && e.Track.SID() == sc.pub.SID() && pub.Track() == nil, "what", e)
		}
	},
	event.ViewTrackMuted:   mutes,
	event.ViewTrackUnmuted: mutes,
	event.ViewLocalTrackPublished: func(sc *scene) {
		self := sc.atParticipant()
		client.On(sc.actor.Local(), func(e client.Event) { self.events <- e })
		sc.publish("audio")
		for _, r := range []*record{sc.own, self} {
			e := next[client.LocalTrackPublished](r)
			sc.check(e.Publication == sc.pub && e.Participant == sc.actor.Local(), "what", e)
		}
	},
	event.ViewLocalTrackUnpublished: func(sc *scene) {
		self := sc.atParticipant()
		client.On(sc.actor.Local(), func(e client.Event) { self.events <- e })
		sc.publish("audio")
		next[client.TrackSubscribed](sc.room)
		api, ctx := sc.api() // by the server, for want of permission
		_, err := api.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{
			Room: sc.t.Name(), Identity: "actor", Permission: &livekit.ParticipantPermission{CanSubscribe: true},
		})
		sc.must(err)
		for _, r := range []*record{sc.own, self} {
			e := next[client.LocalTrackUnpublished](r)
			sc.check(e.Publication == sc.pub && len(sc.actor.Local().Tracks()) == 0, "what", e)
		}
	},
	event.ViewActiveSpeakersChanged: func(sc *scene) {
		sc.publish("audio")
		e := next[client.ActiveSpeakersChanged](sc.room)
		sc.check(len(e.Speakers) == 1 && e.Speakers[0].Identity() == "actor" && slices.Equal(sc.watcher.State().Speakers, []string{"actor"}), "who", e)
		sc.must(sc.actor.Local().Unpublish(sc.context(), sc.pub))
		for len(e.Speakers) != 0 {
			e = next[client.ActiveSpeakersChanged](sc.room)
		}
	},
	event.ViewIsSpeakingChanged: func(sc *scene) {
		sc.publish("audio")
		e := next[client.IsSpeakingChanged](sc.person)
		sc.check(e.Speaking && e.Participant.Identity() == "actor" && e.Participant.Speaking() && e.Participant.AudioLevel() > 0, "who", e)
		sc.must(sc.pub.SetMuted(sc.context(), true))
		e = next[client.IsSpeakingChanged](sc.person)
		sc.check(!e.Speaking && !e.Participant.Speaking(), "who", e)
	},
	event.ViewConnectionQualityChanged: func(sc *scene) {
		sc.publish("audio")
		for _, r := range []*record{sc.room, sc.person} {
			e := next[client.ConnectionQualityChanged](r)
			for e.Participant.Identity() != "actor" {
				e = next[client.ConnectionQualityChanged](r)
			}
			sc.check(e.Quality == e.Participant.Quality(), "how good", e)
		}
	},
	event.ViewParticipantAttributesChanged: func(sc *scene) {
		sc.must(sc.actor.Local().SetAttributes(sc.context(), map[string]string{"a": "1", "b": "2"}))
		for _, r := range []*record{sc.room, sc.person, sc.own} {
			e := next[client.ParticipantAttributesChanged](r)
			sc.check(maps.Equal(e.Changed, map[string]string{"a": "1", "b": "2"}) && e.Participant.Identity() == "actor", "what", e.Changed)
		}
		sc.must(sc.actor.Local().SetAttributes(sc.context(), map[string]string{"a": ""}))
		e := next[client.ParticipantAttributesChanged](sc.room)
		sc.check(maps.Equal(e.Changed, map[string]string{"a": ""}), "what", e.Changed)
	},
	event.ViewParticipantMetadataChanged: func(sc *scene) {
		sc.must(sc.actor.Local().SetMetadata(sc.context(), "new"))
		for _, r := range []*record{sc.room, sc.person, sc.own} {
			e := next[client.ParticipantMetadataChanged](r)
			sc.check(e.Previous == "" && e.Metadata == "new" && e.Participant.Identity() == "actor", "what", e)
		}
	},
	event.ViewParticipantNameChanged: func(sc *scene) {
		sc.must(sc.actor.Local().SetName(sc.context(), "New"))
		for _, r := range []*record{sc.room, sc.person, sc.own} {
			e := next[client.ParticipantNameChanged](r)
			sc.check(e.Previous == "name of actor" && e.Name == "New", "what", e)
		}
	},
	event.ViewRoomMetadataChanged: func(sc *scene) {
		api, ctx := sc.api()
		for _, m := range []string{"first", "second"} {
			_, err := api.UpdateRoomMetadata(ctx, &livekit.UpdateRoomMetadataRequest{Room: sc.t.Name(), Metadata: m})
			sc.must(err)
			e := next[client.RoomMetadataChanged](sc.room)
			sc.check(e.Metadata == m && sc.watcher.Metadata() == m, "what", e)
		}
	},
	event.ViewDataReceived: func(sc *scene) {
		sc.must(sc.actor.Local().PublishData(sc.context(), []byte("hello"), client.DataOptions{Topic: "t"}))
		for _, r := range []*record{sc.room, sc.person} {
			e := next[client.DataReceived](r)
			sc.check(string(e.Payload) == "hello" && e.Topic == "t" && e.Identity == "actor" && e.Participant.Identity() == "actor", "what", e)
		}
	},
	event.ViewTrackSubscriptionPermissionChanged: func(sc *scene) {
		sc.publish("audio")
		pub := next[client.TrackSubscribed](sc.person).Publication
		sc.must(sc.actor.Local().SetSubscriptionPermissions(sc.context(), false))
		for _, r := range []*record{sc.room, sc.person} {
			e := next[client.TrackSubscriptionPermissionChanged](r)
			sc.check(!e.Allowed && e.Publication == pub && !pub.Allowed(), "what", e)
		}
		next[client.TrackUnsubscribed](sc.room)
		sc.must(sc.actor.Local().SetSubscriptionPermissions(sc.context(), false, &livekit.TrackPermission{ParticipantIdentity: "watcher", AllTracks: true}))
		e := next[client.TrackSubscriptionPermissionChanged](sc.room)
		sc.check(e.Allowed && pub.Allowed(), "what", e)
		next[client.TrackSubscribed](sc.room)
	},
	event.ViewTrackSubscriptionFailed: func(sc *scene) {
		third, on := sc.atRoom()
		person := sc.atParticipant()
		room := sc.join("third", sc.mode, on, func(o *client.Options) {
			o.Codecs = []webrtc.RTPCodecCapability{client.Opus, client.H264}
		})
		client.On(room.Participant("actor"), func(e client.TrackSubscriptionFailed) { person.events <- e })
		sc.publish("video")
		for _, r := range []*record{third, person} {
			e := next[client.TrackSubscriptionFailed](r)
			sc.check(e.TrackSID == sc.pub.SID() && e.Reason == livekit.SubscriptionError_SE_CODEC_UNSUPPORTED && e.Participant.Identity() == "actor", "what", e)
		}
		next[client.TrackSubscribed](sc.room) // the watcher can
	},
	event.ViewParticipantPermissionsChanged: func(sc *scene) {
		api, ctx := sc.api()
		for _, identity := range []string{"watcher", "actor"} {
			_, err := api.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{
				Room: sc.t.Name(), Identity: identity, Permission: &livekit.ParticipantPermission{CanSubscribe: true, CanPublishData: true},
			})
			sc.must(err)
		}
		for _, r := range []*record{sc.room, sc.self} {
			e := next[client.ParticipantPermissionsChanged](r)
			sc.check(e.Participant == sc.watcher.Local() && e.Previous.GetCanPublish() && !e.Permissions.GetCanPublish(), "what", e)
		}
		for _, r := range []*record{sc.room, sc.person} {
			e := next[client.ParticipantPermissionsChanged](r)
			sc.check(e.Participant.Identity() == "actor" && !e.Participant.Permissions().GetCanPublish(), "what", e)
		}
	},
	event.ViewTrackStreamStateChanged: func(sc *scene) {
		sc.publish("video")
		e := next[client.TrackSubscribed](sc.room)
		reading, stop := context.WithCancel(sc.context())
		defer stop()
		go func() {
			for range e.Track.Packets(reading) {
			}
		}()
		sc.link.rate.Store(100_000)
		for _, r := range []*record{sc.room, sc.person} {
			e := next[client.TrackStreamStateChanged](r)
			sc.check(e.State == livekit.StreamState_PAUSED && e.Publication.SID() == sc.pub.SID() && e.Publication.StreamState() == e.State, "what", e)
		}
		sc.link.rate.Store(0)
		for _, r := range []*record{sc.room, sc.person} {
			e := next[client.TrackStreamStateChanged](r)
			sc.check(e.State == livekit.StreamState_ACTIVE, "what", e)
		}
	},
}

func reconnects(sc *scene) {
	p := newProxy(sc.t, sc.site)
	through := *sc.site
	through.url = p.url()
	record, on := sc.atRoom()
	third := through.join("third", sc.mode, quickly, on)
	// Once its data arrives, the server knows as well that it is connected.
	sc.must(third.Local().PublishData(sc.context(), []byte("here"), client.DataOptions{}))
	next[client.DataReceived](sc.room)
	p.cut()
	e := next[client.Reconnecting](record)
	f := next[client.Reconnected](record)
	sc.check(!e.Full && !f.Full, "how", e, f)
}

func mutes(sc *scene) {
	sc.publish("audio")
	next[client.TrackSubscribed](sc.room)
	for _, muted := range []bool{true, false} {
		sc.must(sc.pub.SetMuted(sc.context(), muted))
		for _, r := range []*record{sc.room, sc.person, sc.own} {
			var pub client.Publication
			var by client.Participant
			if muted {
				e := next[client.TrackMuted](r)
				pub, by = e.Publication, e.Participant
			} else {
				e := next[client.TrackUnmuted](r)
				pub, by = e.Publication, e.Participant
			}
			sc.check(pub.SID() == sc.pub.SID() && by.Identity() == "actor" && pub.Muted() == muted, "what", pub.Info())
		}
	}
	// A moderator mutes what is somebody else's.
	api, ctx := sc.api()
	_, err := api.MutePublishedTrack(ctx, &livekit.MuteRoomTrackRequest{Room: sc.t.Name(), Identity: "actor", TrackSid: sc.pub.SID(), Muted: true})
	sc.must(err)
	for _, r := range []*record{sc.room, sc.own} {
		e := next[client.TrackMuted](r)
		sc.check(e.Publication.SID() == sc.pub.SID() && e.Publication.Muted(), "what", e)
	}
}

func TestEveryEventHasItsCause(t *testing.T) {
	for _, v := range event.Views {
		t.Run(string(v.Name), func(t *testing.T) {
			cause := causes[v.Name]
			if cause == nil {
				t.Fatal("nothing provokes it")
			}
			both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
				sc := newScene(t, s, mode)
				t.Attr("server", sc.watcher.ServerVersion()) // for test/compat
				cause(sc)
				sc.check(seen(sc.rooms, v.Name) == v.Room, "told at a room")
				sc.check(seen(sc.participants, v.Name) == v.Participant, "told at a participant")
			})
		})
	}
}

func TestEventsComeInTheOrderOfWhatHappened(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		sc := newScene(t, s, mode)
		sc.publish("audio")
		next[client.ParticipantConnected](sc.room)
		var got []event.ViewName
		add := func(until event.ViewName) {
			timeout := time.After(patience)
			for len(got) == 0 || got[len(got)-1] != until {
				select {
				case e := <-sc.room.events:
					switch e.(type) {
					case client.ConnectionQualityChanged, client.ActiveSpeakersChanged: // when they like
					default:
						got = append(got, e.View())
					}
				case <-timeout:
					t.Fatalf("no %s after %v", until, got)
				}
			}
		}
		add(event.ViewTrackSubscribed)
		sc.must(sc.pub.SetMuted(sc.context(), true))
		add(event.ViewTrackMuted)
		leave(t, sc.actor)
		add(event.ViewParticipantDisconnected)
		leave(t, sc.watcher)
		add(event.ViewDisconnected)
		want := []event.ViewName{
			event.ViewTrackPublished, event.ViewTrackSubscribed, event.ViewTrackMuted,
			event.ViewTrackUnsubscribed, event.ViewTrackUnpublished, event.ViewParticipantDisconnected, event.ViewDisconnected,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}
