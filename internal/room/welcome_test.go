package room

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// welcomed returns what a client that joins now is answered, as it reads it.
func (tc *test) welcomed(room, identity string) (*client, *livekit.SignalResponse) {
	tc.t.Helper()
	j := joinOf(room, identity)
	j.Metadata, j.Attributes = "of "+identity, map[string]string{"seat": identity}
	first := &firstMessage{}
	h, err := tc.reg.Join(tc.t.Context(), j, first)
	if err != nil {
		tc.t.Fatal(err)
	}
	c := &client{tc: tc, join: j, sink: &first.recorder, h: h}
	tc.identities[h.SID()] = identity
	data, err := first.message.Binary()
	if err != nil {
		tc.t.Fatal(err)
	}
	if size := first.message.Size(); size > len(data) || size < len(data)-16 {
		tc.t.Errorf("%d bytes are said to be %d", len(data), size)
	}
	read := new(livekit.SignalResponse)
	if err := proto.Unmarshal(data, read); err != nil {
		tc.t.Fatal(err)
	}
	if d := cmp.Diff(first.message.Response, read, protocmp.Transform()); d != "" {
		tc.t.Errorf("%s is told something else than it should be:\n%s", identity, d)
	}
	return c, read
}

// firstMessage keeps the first message whole.
type firstMessage struct {
	recorder
	message *Message
}

func (f *firstMessage) Send(m *Message) {
	if f.message == nil {
		f.message = m
	}
	f.recorder.Send(m)
}

func TestWelcomeTellsOfTheOthersAsTheyAreNow(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ann, first := tc.welcomed("hall", "ann")
		if n := len(first.GetJoin().OtherParticipants); n != 0 {
			t.Errorf("the first one is told of %d others", n)
		}
		ann.transport(peer.Connected)
		bea, _ := tc.welcomed("hall", "bea")
		bea.transport(peer.Connected)
		ann.publishCamera()
		ann.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{
			UpdateMetadata: &livekit.UpdateParticipantMetadata{Metadata: "another"}}})
		_, third := tc.welcomed("hall", "cid")
		others := third.GetJoin().OtherParticipants
		if len(others) != 2 || others[0].Identity != "ann" || others[1].Identity != "bea" {
			t.Fatalf("told of %v", others)
		}
		if a := others[0]; a.Metadata != "another" || len(a.Tracks) != 1 || a.State != livekit.ParticipantInfo_ACTIVE {
			t.Errorf("ann is told of as she was: %v", a)
		}
	})
}
