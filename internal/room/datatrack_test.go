package room

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

func (c *client) publishData(handle uint32, name string) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_PublishDataTrackRequest{
		PublishDataTrackRequest: &livekit.PublishDataTrackRequest{PubHandle: handle, Name: name}}})
}

func (c *client) unpublishData(handle uint32) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UnpublishDataTrackRequest{
		UnpublishDataTrackRequest: &livekit.UnpublishDataTrackRequest{PubHandle: handle}}})
}

func (c *client) subscribeData(sid string, on bool) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateDataSubscription{
		UpdateDataSubscription: &livekit.UpdateDataSubscription{
			Updates: []*livekit.UpdateDataSubscription_Update{{TrackSid: sid, Subscribe: on}}}}})
}

// frame is a packet of a data track.
func frame(handle uint16, text string) []byte {
	return append([]byte{0x18, 0, byte(handle >> 8), byte(handle), 0, 1, 0, 1, 0, 0, 0, 0}, text...)
}

func (c *client) sendFrame(b []byte) {
	c.conn().Data(peer.DataTrack, "_data_track", b)
	synctest.Wait()
}

// frames returns and forgets the packets of data tracks that c was sent.
func (c *client) frames() (got []string) {
	f := c.sub()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.frames {
		got = append(got, string(b))
	}
	f.frames = nil
	return got
}

func TestDataTracksGoToThoseWhoAskForThem(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob, carol := tc.enter("demo", "alice"), tc.enter("demo", "bob"), tc.enter("demo", "carol")
		alice.publishData(7, "pose")
		alice.publishData(8, "map")
		infos := bob.p().state.participants["alice"].info().DataTracks
		if len(infos) != 2 || infos[0].Name != "pose" || infos[0].Sid[:4] != "DTR_" {
			t.Fatalf("alice has %v", infos)
		}
		alice.sendFrame(frame(7, "nobody"))
		bob.subscribeData(infos[1].Sid, true)
		bob.subscribeData(infos[0].Sid, true)
		bob.subscribeData("DTR_none", true)
		alice.subscribeData(infos[0].Sid, true) // its own
		alice.sendFrame(frame(7, "one"))
		alice.sendFrame(frame(8, "two"))
		alice.sendFrame(frame(9, "unknown"))
		alice.sendFrame([]byte("short"))
		alice.sendFrame(append([]byte{0xff}, frame(7, "of another version")[1:]...))
		if got, want := bob.frames(), []string{string(frame(2, "one")), string(frame(1, "two"))}; !slices.Equal(got, want) {
			t.Errorf("bob got %q, want %q", got, want)
		}
		for _, c := range []*client{alice, carol} {
			if got := c.frames(); len(got) != 0 {
				t.Errorf("%s got %q", c.join.Identity, got)
			}
		}
		bob.subscribeData(infos[0].Sid, false)
		alice.unpublishData(8)
		alice.sendFrame(frame(7, "one"))
		alice.sendFrame(frame(8, "two"))
		if got := bob.frames(); len(got) != 0 {
			t.Errorf("bob still got %q", got)
		}
		bob.subscribeData(infos[0].Sid, true)
		alice.leave()
		if n := len(bob.p().dataHandles); n != 0 {
			t.Errorf("%d handles of who has left", n)
		}
	})
}

func TestDataTracksOfNoUseAreRefused(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		mute := joinOf("demo", "mute")
		mute.Permission.CanPublishData = false
		silent := tc.accept(mute)
		silent.transport(peer.Connected)
		alice.publishData(1, "one")
		for _, c := range []struct {
			who    *client
			handle uint32
			name   string
			want   string
		}{
			{silent, 1, "one", "NOT_ALLOWED"},
			{alice, 0, "zero", "INVALID_HANDLE"},
			{alice, 1 << 16, "large", "INVALID_HANDLE"},
			{alice, 2, "", "INVALID_NAME"},
			{alice, 2, string(make([]byte, 300)), "INVALID_NAME"},
			{alice, 1, "other", "DUPLICATE_HANDLE"},
			{alice, 2, "one", "DUPLICATE_NAME"},
		} {
			c.who.heard()
			c.who.publishData(c.handle, c.name)
			if got := c.who.heard(); !slices.Contains(got, "response "+c.want) {
				t.Errorf("handle %d, name %.10q: heard %q, want %s", c.handle, c.name, got, c.want)
			}
		}
		alice.unpublishData(5)
		if got := alice.heard(); !slices.Contains(got, "response NOT_FOUND") {
			t.Errorf("heard %q", got)
		}
	})
}

// wantIndex checks that a room finds its data tracks, and who has them, as its
// participants know them.
func (tc *test) wantIndex(why string, rooms ...*Room) {
	tc.t.Helper()
	for _, r := range rooms {
		if _, err := r.do(context.Background(), func(s *state) {
			n := 0
			for _, p := range s.participants {
				for _, t := range p.dataTracks {
					if n++; s.dataTracks[t.info.Sid] != t || t.owner != p {
						tc.t.Errorf("%s: %s of %s is not found", why, t.info.Name, p.identity)
					}
					for taker, handle := range t.takers {
						if s.participants[taker.identity] != taker || taker.dataHandles[handle] != t {
							tc.t.Errorf("%s: %s has %s, and does not know", why, taker.identity, t.info.Name)
						}
					}
				}
				for handle, t := range p.dataHandles {
					if got, has := t.takers[p]; !has || got != handle || s.dataTracks[t.info.Sid] != t {
						tc.t.Errorf("%s: %s knows %s by %d, and does not have it", why, p.identity, t.info.Name, handle)
					}
				}
			}
			if n != len(s.dataTracks) {
				tc.t.Errorf("%s: %d are found, there are %d", why, len(s.dataTracks), n)
			}
		}); err != nil {
			tc.t.Fatal(err)
		}
	}
}

func TestDataTracksAreFoundWhateverHappensToTheirPeople(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben, cem := tc.enter("demo", "ana"), tc.enter("demo", "ben"), tc.enter("demo", "cem")
		dan := tc.enter("attic", "dan")
		demo, attic := ana.room(), dan.room()
		all := []*client{ana, ben, cem, dan}
		takeAll := func() {
			for _, c := range all {
				for _, other := range all {
					for _, track := range other.p().dataTracks {
						c.subscribeData(track.info.Sid, true)
					}
				}
			}
		}
		for i, c := range all {
			c.publishData(uint32(i+1), "pose")
			c.publishData(uint32(i+10), "map")
		}
		takeAll()
		tc.wantIndex("published and taken", demo, attic)
		if n := len(ben.p().dataHandles); n != 4 {
			t.Errorf("ben has %d", n)
		}
		ana.unpublishData(1)
		ben.subscribeData(cem.p().dataTracks[0].info.Sid, false)
		tc.wantIndex("one ends, and one is not wanted", demo, attic)
		if err := tc.reg.ForwardParticipant(context.Background(), &livekit.ForwardParticipantRequest{Room: "attic", Identity: "dan", DestinationRoom: "demo"}); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second)
		takeAll()
		tc.wantIndex("forwarded", demo, attic)
		if err := tc.reg.MoveParticipant(context.Background(), &livekit.MoveParticipantRequest{Room: "demo", Identity: "ana", DestinationRoom: "attic"}); err != nil {
			t.Fatal(err)
		}
		takeAll()
		tc.wantIndex("moved", demo, attic)
		for _, permission := range []*livekit.ParticipantPermission{
			{CanSubscribe: true, CanPublishData: true, Hidden: true}, {CanPublishData: true}, {CanSubscribe: true},
		} {
			for _, c := range []*client{ben, dan} {
				if _, err := tc.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{
					Room: c.room().name, Identity: c.join.Identity, Permission: permission}); err != nil {
					t.Fatal(err)
				}
			}
			tc.wantIndex(permission.String(), demo, attic)
		}
		cem.leave()
		ana.leave()
		tc.wantIndex("who had them has left", demo, attic)
	})
}

// A frame costs by who has its track, not by who is in the room.
func BenchmarkFrameOfADataTrack(b *testing.B) {
	for _, people := range []int{10, 1000} {
		b.Run(fmt.Sprint("people=", people), func(b *testing.B) {
			o := Options{}.withDefaults()
			s := newState(&Room{name: "demo"}, &o, &livekit.Room{Sid: "RM_1", Name: "demo"}, time.Now())
			var all []*participant
			for i := range people {
				p := &participant{state: s, sid: fmt.Sprint("PA_", i), identity: fmt.Sprint("p", i), joined: true, log: s.log, req: joinOf("demo", "p"),
					permission: &livekit.ParticipantPermission{CanPublishData: true, CanSubscribe: true}, publisher: &fakePeer{}}
				s.add(p)
				p.addDataTrack(&dataTrack{info: &livekit.DataTrackInfo{PubHandle: 1, Sid: fmt.Sprint("DTR_", i)}})
				all = append(all, p)
			}
			all[1].takeDataTrack(all[0].dataTracks[0])
			data := frame(1, "pose")
			for b.Loop() {
				binary.BigEndian.PutUint16(data[dataHandleOffset:], 1)
				all[0].forwardDataTrack(data)
				all[1].publisher.(*fakePeer).frames = nil
			}
		})
	}
}
