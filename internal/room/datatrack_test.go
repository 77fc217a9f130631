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

// takesAll enters with the wish for all data tracks.
func (tc *test) takesAll(room, identity string) *client {
	j := joinOf(room, identity)
	j.AutoSubscribeData = true
	c := tc.accept(j)
	c.transport(peer.Connected)
	return c
}

// wantData compares whose data tracks c has, by their names.
func (c *client) wantData(why string, want ...string) {
	c.tc.t.Helper()
	var got []string
	for _, t := range c.p().dataHandles {
		got = append(got, t.owner.identity+"/"+t.info.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		c.tc.t.Errorf("%s: %s has %q, want %q", why, c.join.Identity, got, want)
	}
}

func TestWhoWantsAllDataTracksGetsThem(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.publishData(7, "pose")
		bob, carol := tc.takesAll("demo", "bob"), tc.enter("demo", "carol")
		bob.wantData("what was there", "alice/pose")
		if got := bob.heard(); !slices.Contains(got, "datatracksubscriberhandles") || slices.Contains(carol.heard(), "datatracksubscriberhandles") {
			t.Errorf("bob heard %q", got)
		}
		alice.publishData(8, "map")
		bob.publishData(1, "own")
		bob.wantHeard("the track comes first, and then its handle",
			"update alice:active/0", "datatracksubscriberhandles", "publishdatatrackresponse")
		bob.wantData("what is new, and nothing of its own", "alice/map", "alice/pose")
		carol.wantData("it has not asked")
		alice.wantData("it has not asked")
		alice.sendFrame(frame(8, "two"))
		if got, want := bob.frames(), []string{string(frame(2, "two"))}; !slices.Equal(got, want) {
			t.Errorf("bob got %q, want %q", got, want)
		}

		early := tc.accept(joinOf("demo", "early"))
		early.publishData(1, "before it is in")
		bob.wantData("who is not in", "alice/map", "alice/pose")
		early.transport(peer.Connected)
		bob.wantData("now it is", "alice/map", "alice/pose", "early/before it is in")
		early.leave()

		pose := alice.p().dataTracks[0]
		bob.subscribeData(pose.info.Sid, false)
		permit := func(c *client, p *livekit.ParticipantPermission) {
			if _, err := tc.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{
				Room: "demo", Identity: c.join.Identity, Permission: p}); err != nil {
				t.Fatal(err)
			}
		}
		permit(bob, &livekit.ParticipantPermission{CanPublishData: true})
		bob.wantData("it may receive nothing")
		permit(bob, &livekit.ParticipantPermission{CanSubscribe: true, CanPublishData: true})
		bob.wantData("it may again, but for what it has declined", "alice/map")
		permit(alice, &livekit.ParticipantPermission{CanSubscribe: true, CanPublishData: true, Hidden: true})
		bob.wantData("alice is hidden")
		permit(alice, &livekit.ParticipantPermission{CanSubscribe: true, CanPublishData: true})
		bob.wantData("alice is seen again", "alice/map")

		carol.subscribeData(pose.info.Sid, true)
		permit(carol, &livekit.ParticipantPermission{CanPublishData: true})
		permit(carol, &livekit.ParticipantPermission{CanSubscribe: true})
		carol.wantData("what it has chosen", "alice/pose")

		bob = bob.resume(nil)
		if got := bob.heard(); !slices.Contains(got, "datatracksubscriberhandles") {
			t.Errorf("on resuming bob heard %q", got)
		}
		tc.wantIndex("all is known", alice.room())
		alice.unpublishData(7)
		if n := len(bob.p().wanted) + len(carol.p().wanted); n != 0 {
			t.Errorf("%d choices about tracks that have ended", n)
		}
		for _, c := range []*client{alice, bob, carol} {
			c.leave()
		}
	})
}

func TestWhoWantsAllDataTracksGetsThoseOfTheRoomItIsMovedTo(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, dan := tc.enter("demo", "alice"), tc.enter("attic", "dan")
		alice.publishData(1, "pose")
		dan.publishData(1, "map")
		bob, eve := tc.takesAll("demo", "bob"), tc.takesAll("attic", "eve")
		bob.publishData(1, "own")
		ctx := context.Background()
		if err := tc.reg.MoveParticipant(ctx, &livekit.MoveParticipantRequest{Room: "demo", Identity: "bob", DestinationRoom: "attic"}); err != nil {
			t.Fatal(err)
		}
		bob.wantData("bob is moved", "dan/map")
		eve.wantData("bob has come", "bob/own", "dan/map")
		if err := tc.reg.ForwardParticipant(ctx, &livekit.ForwardParticipantRequest{Room: "demo", Identity: "alice", DestinationRoom: "attic"}); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second)
		bob.wantData("alice is shown here too", "alice/pose", "dan/map")
		for _, c := range []*client{alice, bob, dan, eve} {
			c.leave()
		}
	})
}

func TestRequestsForBlobsAreRefusedByTheirNumbers(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.heard()
		alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_StoreDataBlobRequest{StoreDataBlobRequest: &livekit.StoreDataBlobRequest{
			RequestId: 7, Blob: &livekit.DataBlob{Contents: []byte("a schema")}}}})
		alice.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_GetDataBlobRequest{GetDataBlobRequest: &livekit.GetDataBlobRequest{RequestId: 8}}})
		alice.sink.mu.Lock()
		for i, m := range alice.sink.messages {
			if r := m.GetRequestResponse(); r.GetRequestId() != uint32(7+i) || r.GetReason() != livekit.RequestResponse_NOT_ALLOWED || r.GetMessage() == "" {
				t.Errorf("answer %d is %v", i, m)
			}
		}
		alice.sink.mu.Unlock()
		alice.wantHeard("one for each", "response NOT_ALLOWED", "response NOT_ALLOWED")
		alice.leave()
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
