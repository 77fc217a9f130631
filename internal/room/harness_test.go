package room

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// fakeMedia stands in for peer connections, so that rooms run in virtual time.
type fakeMedia struct{}

func (fakeMedia) NewPublisher(o peer.PublisherOptions) (Publisher, error) {
	return &fakePeer{pub: o.Handler}, nil
}
func (fakeMedia) NewSubscriber(o peer.SubscriberOptions) (Subscriber, error) {
	return &fakePeer{sub: o.Handler, mayPause: o.AllowPause}, nil
}

func (fakeMedia) NewDuplex(o peer.DuplexOptions) (Duplex, error) {
	return &fakePeer{pub: o.Handler, mayPause: o.AllowPause}, nil
}

type fakePeer struct {
	pub peer.PublisherHandler
	sub peer.SubscriberHandler

	mayPause bool

	mu     sync.Mutex
	tracks []string // of AddTrack, less RemoveTrack
	data   []*livekit.DataPacket
	frames [][]byte // of data tracks
	closed bool
	fails  error  // of data
	held   bool   // data that has arrived
	after  func() // called when it is not held any more
	restarts, reminders,
	looks,
	offers int
	offered uint32 // id of the last Offer
	begun   []int  // how many tracks there were at each Begin
}

func (f *fakePeer) Offer(_ string, id uint32)      { f.mu.Lock(); f.offered = id; f.mu.Unlock() }
func (f *fakePeer) Prefer(string, peer.Preference) {}
func (f *fakePeer) AfterData(fn func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = fn
	return f.held
}
func (f *fakePeer) Answer(string, uint32)         {}
func (f *fakePeer) AddCandidate(string) error     { return nil }
func (f *fakePeer) Look()                         { f.mu.Lock(); f.looks++; f.mu.Unlock() }
func (f *fakePeer) Negotiate()                    { f.mu.Lock(); f.offers++; f.mu.Unlock() }
func (f *fakePeer) Begin() (string, uint32, bool) { f.began(); return "", 0, false }
func (f *fakePeer) RestartICE()                   { f.mu.Lock(); f.restarts++; f.mu.Unlock() }
func (f *fakePeer) Resumed()                      { f.mu.Lock(); f.restarts++; f.mu.Unlock() }
func (f *fakePeer) Remind()                       { f.mu.Lock(); f.reminders++; f.mu.Unlock() }
func (f *fakePeer) Close()                        { f.Stop() }
func (f *fakePeer) Stop() bool                    { f.mu.Lock(); f.closed = true; f.mu.Unlock(); return true }
func (f *fakePeer) Route() (peer.Route, bool) {
	return peer.Route{Protocol: "udp", Candidate: "host"}, true
}

func (f *fakePeer) SendData(kind peer.DataKind, b []byte, _ uptrack.Batch) error {
	if kind == peer.DataTrack {
		f.mu.Lock()
		f.frames = append(f.frames, slices.Clone(b))
		f.mu.Unlock()
		return nil
	}
	if len(b) > peer.MaxMessageSize {
		return peer.ErrDataTooLarge
	}
	f.mu.Lock()
	gone, fails := f.closed, f.fails
	f.mu.Unlock()
	switch {
	case gone:
		return peer.ErrClosed
	case fails != nil:
		return fails
	}
	packet := new(livekit.DataPacket)
	if err := proto.Unmarshal(b, packet); err != nil {
		return err
	}
	f.mu.Lock()
	f.data = append(f.data, packet)
	f.mu.Unlock()
	return nil
}
func (f *fakePeer) AddTrack(stream, id string, up *uptrack.UpTrack) (Sender, error) {
	f.mu.Lock()
	f.tracks = append(f.tracks, stream)
	f.mu.Unlock()
	return &fakeSender{stream: stream, id: id, mime: up.Codec().MimeType, down: downtrack.New(downtrack.Options{Source: up})}, nil
}
func (f *fakePeer) LimitBandwidth(uint64) {}

func (f *fakePeer) RemoveTrack(s Sender) {
	f.mu.Lock()
	f.tracks = slices.DeleteFunc(f.tracks, func(t string) bool { return t == s.(*fakeSender).stream })
	f.mu.Unlock()
}

// recorder is a client's end of the signal connection.
type recorder struct {
	mu       sync.Mutex
	messages []*livekit.SignalResponse
	closed   bool
}

func (r *recorder) Send(m *Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.messages = append(r.messages, m.Response)
	}
}
func (r *recorder) Close() { r.mu.Lock(); r.closed = true; r.mu.Unlock() }

// test is a registry in a synctest bubble, with what it published.
type test struct {
	t   *testing.T
	reg *Registry

	options Options

	mu     sync.Mutex
	events []event.Event // of LiveKit's names
	beyond []event.Event // the others
	log    []event.Record

	committed int // of the log

	identities map[string]string // by sid
	restored   map[string]string // names of sessions that were open before, by sid
	suspended  bool              // the registry was closed with rooms open

	kept map[string][]byte // what survives a restart
}

// inBubble runs fn with a fresh registry in virtual time.
func inBubble(t *testing.T, o Options, fn func(tc *test)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tc := &test{t: t, identities: make(map[string]string)}
		o.Media = fakeMedia{}
		o.ServerInfo = &livekit.ServerInfo{Version: "1.9.0"}
		o.Publish = func(events ...event.Event) uint64 {
			tc.mu.Lock()
			defer tc.mu.Unlock()
			for _, e := range events {
				body, err := e.Body("id")
				if err != nil {
					t.Errorf("event without a body: %v", err)
				}
				tc.log = append(tc.log, event.Record{Name: e.Name, RoomSID: e.Room.Sid, ParticipantSID: e.Participant.GetSid(),
					Identity: e.Participant.GetIdentity(), Time: e.Time, Body: body})
				if d, ok := event.Lookup(e.Name); ok && d.Stock {
					tc.events = append(tc.events, e)
				} else {
					tc.beyond = append(tc.beyond, e)
				}
			}
			return uint64(len(tc.events) + len(tc.beyond))
		}
		o.Kept = tc
		o.Commit = func() {
			tc.mu.Lock()
			defer tc.mu.Unlock()
			tc.committed = len(tc.log)
		}
		tc.options, tc.reg = o, NewRegistry(o)
		fn(tc)
		synctest.Wait()
		tc.mu.Lock()
		if tc.committed != len(tc.log) {
			t.Errorf("%d events, of which %d were committed", len(tc.log), tc.committed)
		}
		tc.mu.Unlock()
		for _, r := range tc.reg.all() {
			_ = tc.reg.Delete(context.Background(), r.name)
		}
		if err := tc.reg.Close(context.Background()); err != nil {
			t.Errorf("close registry: %v", err)
		}
		tc.checkGrammar()
	})
}

// client is one SDK as a test plays it.
type client struct {
	tc   *test
	join *Join
	sink *recorder
	h    *Participant
}

func joinOf(room, identity string) *Join {
	return &Join{
		Room: room, Identity: identity, AutoSubscribe: true, TokenFrom: time.Now(),
		Client: &livekit.ClientInfo{Protocol: 16},
		Permission: &livekit.ParticipantPermission{
			CanSubscribe: true, CanPublish: true, CanPublishData: true, CanUpdateMetadata: true,
		},
	}
}

// accept joins without bringing up the transport.
func (tc *test) accept(j *Join) *client {
	tc.t.Helper()
	c := &client{tc: tc, join: j, sink: &recorder{}}
	h, err := tc.reg.Join(context.Background(), j, c.sink)
	if err != nil {
		tc.t.Fatalf("join %s: %v", j.Identity, err)
	}
	c.h = h
	tc.identities[h.SID()] = j.Identity
	return c
}

// enter joins and brings up the transport.
func (tc *test) enter(room, identity string) *client {
	tc.t.Helper()
	c := tc.accept(joinOf(room, identity))
	c.transport(peer.Connected)
	return c
}

func (c *client) p() *participant { _, p := c.h.berth.where(); return p }
func (c *client) room() *Room     { r, _ := c.h.berth.where(); return r }

// conn is what c's peer connections report to.
func (c *client) conn() *connection { return &connection{c.h.berth} }

// transport says that the subscriber connection changed its state, for which it has to
// have been answered if it comes up.
func (c *client) transport(st peer.State) {
	if st >= peer.Connecting && st <= peer.Connected {
		c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Answer{Answer: &livekit.SessionDescription{Type: "answer"}}})
	}
	c.conn().SubscriberState(st)
	synctest.Wait()
}

func (c *client) say(req *livekit.SignalRequest) {
	c.h.Handle(req)
	synctest.Wait()
}

func (c *client) announce(cid string, kind livekit.TrackType, source livekit.TrackSource) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{Cid: cid, Type: kind, Source: source}}})
}

// media says that media with the client's track id can flow.
func (c *client) media(cid, kind string, rids ...string) *fakeReceiver {
	r := &fakeReceiver{id: cid, kind: kind, rids: rids, up: uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: kind, ClockRate: 48000}})}
	c.h.berth.post(func(_ *state, p *participant) { p.receiverReady(r) })
	synctest.Wait()
	return r
}

func (c *client) end(r *fakeReceiver) {
	c.h.berth.post(func(_ *state, p *participant) { p.receiverEnded(r) })
	synctest.Wait()
}

func (c *client) publishCamera() *fakeReceiver {
	c.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
	return c.media("cam", "video")
}

func (c *client) publishSimulcast(rids ...string) *fakeReceiver {
	c.announce("camera", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
	return c.media("camera", "video", rids...)
}

// trackOf returns the one track that c receives of another.
func (c *client) trackOf(other *client) string {
	c.tc.t.Helper()
	for sid, sub := range c.p().subscriptions {
		if sub.track.owner.identity == other.join.Identity {
			return sid
		}
	}
	c.tc.t.Fatalf("%s receives nothing of %s", c.join.Identity, other.join.Identity)
	return ""
}

func (c *client) wantDemands(why string, want ...string) {
	c.tc.t.Helper()
	if got := c.demandsHeard(); !slices.Equal(got, want) {
		c.tc.t.Errorf("%s: told %q, want %q", why, got, want)
	}
}

func (c *client) leave() {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{}}})
}

func (c *client) sub() *fakePeer { return c.p().subscriber.(*fakePeer) }

// heard returns the client's messages as short words and forgets them.
func (c *client) heard() []string {
	synctest.Wait()
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	var words []string
	for _, m := range c.sink.messages {
		words = append(words, c.tc.word(m))
	}
	c.sink.messages = nil
	return words
}

func (tc *test) word(m *livekit.SignalResponse) string {
	switch m := m.Message.(type) {
	case *livekit.SignalResponse_Join:
		return fmt.Sprintf("join others=%d", len(m.Join.OtherParticipants))
	case *livekit.SignalResponse_Update:
		var parts []string
		for _, p := range m.Update.Participants {
			parts = append(parts, fmt.Sprintf("%s:%s/%d", p.Identity, strings.ToLower(p.State.String()), len(p.Tracks)))
		}
		return "update " + strings.Join(parts, " ")
	case *livekit.SignalResponse_Leave:
		return "leave " + m.Leave.Reason.String() + " " + m.Leave.Action.String()
	case *livekit.SignalResponse_RoomUpdate:
		return fmt.Sprintf("room participants=%d publishers=%d metadata=%q", m.RoomUpdate.Room.NumParticipants, m.RoomUpdate.Room.NumPublishers, m.RoomUpdate.Room.Metadata)
	case *livekit.SignalResponse_RequestResponse:
		return "response " + m.RequestResponse.Reason.String()
	case *livekit.SignalResponse_SubscriptionPermissionUpdate:
		return fmt.Sprintf("permission allowed=%v", m.SubscriptionPermissionUpdate.Allowed)
	case *livekit.SignalResponse_ConnectionQuality:
		var parts []string
		for _, q := range m.ConnectionQuality.Updates {
			parts = append(parts, tc.identities[q.ParticipantSid]+"="+q.Quality.String())
		}
		slices.Sort(parts)
		return "quality " + strings.Join(parts, " ")
	case *livekit.SignalResponse_SubscribedQualityUpdate:
		return demandWord(m.SubscribedQualityUpdate)
	case *livekit.SignalResponse_StreamStateUpdate:
		var parts []string
		for _, st := range m.StreamStateUpdate.StreamStates {
			parts = append(parts, tc.identities[st.ParticipantSid]+"="+st.State.String())
		}
		return "stream " + strings.Join(parts, " ")
	case *livekit.SignalResponse_RoomMoved:
		p := m.RoomMoved.Participant
		return fmt.Sprintf("moved %s as %s/%d others=%d", m.RoomMoved.Room.Name, strings.ToLower(p.State.String()), len(p.Tracks), len(m.RoomMoved.OtherParticipants))
	case *livekit.SignalResponse_Mute:
		return fmt.Sprintf("mute %v", m.Mute.Muted)
	}
	full := fmt.Sprintf("%T", m.Message)
	return strings.ToLower(full[strings.LastIndexByte(full, '_')+1:])
}

// wantHeard compares what the client heard since the last look.
func (c *client) wantHeard(why string, want ...string) {
	c.tc.t.Helper()
	if got := c.heard(); !slices.Equal(got, want) {
		c.tc.t.Errorf("%s: client %s heard\n  %s\nwant\n  %s", why, c.join.Identity, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// wantEvents compares everything published since the last look, as
// "name who participants/publishers".
func (tc *test) wantEvents(why string, want ...string) {
	tc.t.Helper()
	tc.wantEventsSince(0, why, want...)
}

// wantEventsSince is wantEvents for those after the first n.
func (tc *test) wantEventsSince(n int, why string, want ...string) {
	tc.t.Helper()
	synctest.Wait()
	tc.mu.Lock()
	defer tc.mu.Unlock()
	var got []string
	for _, e := range tc.events[n:] {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %d/%d", e.Name, e.Participant.GetIdentity(), e.Room.NumParticipants, e.Room.NumPublishers)))
	}
	for i := range got {
		got[i] = strings.Join(strings.Fields(got[i]), " ")
	}
	if !slices.Equal(got, want) {
		tc.t.Errorf("%s: events\n  %s\nwant\n  %s", why, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// checkGrammar proves what holds of every story: rooms start and finish once and
// nothing of them is outside; every accepted participant ends exactly once, with
// left only after joined; tracks lie within their participant; whatever closes
// says by whom and why.
func (tc *test) checkGrammar() {
	tc.t.Helper()
	type life struct{ joined, ended bool }
	rooms, names := map[string]*life{}, map[string]string{}
	people, tracks := map[string]*life{}, map[string]*life{}
	for sid, name := range tc.restored {
		rooms[sid], names[name] = &life{joined: true}, sid
	}
	fail := func(i int, why string) {
		tc.t.Errorf("event %d, %s %s: %s", i, tc.events[i].Name, tc.events[i].Participant.GetIdentity(), why)
	}
	for i, e := range tc.events {
		room := rooms[e.Room.Sid]
		if d, _ := event.Lookup(e.Name); len(d.Closes) > 0 && (e.Reason == "" || e.Actor == "") {
			fail(i, "nobody caused it, for no reason")
		}
		if e.Name == event.RoomStarted {
			if room != nil || names[e.Room.Name] != "" {
				fail(i, "room started twice")
			}
			rooms[e.Room.Sid], names[e.Room.Name] = &life{joined: true}, e.Room.Sid
			continue
		}
		if room == nil || room.ended {
			fail(i, "outside of its room's life")
			continue
		}
		p := people[e.Participant.GetSid()]
		switch e.Name {
		case event.RoomFinished:
			room.ended = true
			delete(names, e.Room.Name)
			if e.Room.NumParticipants != 0 || e.Room.NumPublishers != 0 {
				fail(i, "somebody is still counted")
			}
		case event.ParticipantJoined:
			if p != nil {
				fail(i, "joined twice")
			}
			people[e.Participant.Sid] = &life{joined: true}
		case event.ParticipantLeft:
			if p == nil || p.ended {
				fail(i, "left without joined")
				continue
			}
			p.ended = true
			if e.Participant.DisconnectReason == livekit.DisconnectReason_UNKNOWN_REASON {
				fail(i, "no reason")
			}
		case event.ParticipantConnectionAborted:
			if p != nil {
				fail(i, "aborted after joined")
			}
			people[e.Participant.Sid] = &life{ended: true}
		case event.TrackPublished:
			if t := tracks[e.Track.Sid]; p == nil || p.ended || t != nil && !t.ended {
				fail(i, "published outside of its participant's life, or twice")
			}
			tracks[e.Track.Sid] = &life{}
		case event.TrackUnpublished:
			if t := tracks[e.Track.Sid]; t == nil || t.ended || p == nil || p.ended {
				fail(i, "unpublished without published, or after its participant left")
			} else {
				t.ended = true
			}
		}
	}
	for _, e := range tc.beyond {
		if e.Name == event.ParticipantConnecting && people[e.Participant.Sid] == nil {
			tc.t.Errorf("participant %s was accepted, and that is all", e.Participant.Sid)
		}
	}
	for sid, p := range people {
		if !p.ended {
			tc.t.Errorf("participant %s never ended", sid)
		}
	}
	for sid, t := range tracks {
		if !t.ended {
			tc.t.Errorf("track %s never ended", sid)
		}
	}
	for sid, r := range rooms {
		if !r.ended && !tc.suspended {
			tc.t.Errorf("room %s never finished", sid)
		}
	}
}

func sleep(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}
