package room

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// saying is a packet as clients number them.
func saying(n uint32, text string) *livekit.DataPacket {
	p := userPacket(text)
	p.Sequence = n
	return p
}

func TestDataIsForwardedInTheDoublesName(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, bob := tc.enter("den", "ana"), tc.enter("den", "bob")
		ben, cleo := tc.enter("attic", "ben"), tc.enter("attic", "cleo")
		ana.sendPacket(peer.Reliable, saying(1, "before"))
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		double := ben.p().state.participants["ana"]
		topic := "news"
		said := saying(2, "hello")
		said.GetUser().Topic = &topic
		ana.sendPacket(peer.Reliable, said)
		ana.sendPacket(peer.Reliable, said) // as after a resume
		ana.sendPacket(peer.Lossy, userPacket("there"))
		for _, c := range []*client{ben, cleo} {
			if got := c.got(); got != "hello there" {
				t.Errorf("%s got %q", c.join.Identity, got)
			}
			p := c.sub().data[0]
			//nolint:staticcheck // older clients read the fields of the user packet
			from := []string{p.ParticipantIdentity, p.ParticipantSid, p.GetUser().ParticipantIdentity, p.GetUser().ParticipantSid}
			if want := []string{"ana", double.sid, "ana", double.sid}; !slices.Equal(from, want) || p.GetUser().GetTopic() != topic || p.Sequence != 2 {
				t.Errorf("%s got %v", c.join.Identity, p)
			}
		}
		if p := bob.sub().data[1]; p.ParticipantSid != ana.h.SID() {
			t.Errorf("at home it is from %s", p.ParticipantSid)
		}

		// Identities are those of people, sids of sessions in one room.
		direct := saying(3, "psst")
		direct.DestinationIdentities = []string{"ben", "bob"}
		ana.sendPacket(peer.Reliable, direct)
		bySID := userPacket("by-sid")
		bySID.GetUser().DestinationSids = []string{bob.h.SID()} //nolint:staticcheck // what older clients write
		ana.sendPacket(peer.Lossy, bySID)
		for c, want := range map[*client]string{bob: "before hello there psst by-sid", ben: "hello there psst", cleo: "hello there"} {
			if got := c.got(); got != want {
				t.Errorf("%s got %q, want %q", c.join.Identity, got, want)
			}
		}

		// Nothing comes back, and what follows a goodbye is not said.
		ben.sendPacket(peer.Reliable, saying(1, "back"))
		if got := ana.got(); got != "" {
			t.Errorf("ana got %q", got)
		}
		ana.sendPacket(peer.Reliable, saying(4, "bye"))
		ana.leave()
		if got := ben.got(); got != "hello there psst bye" {
			t.Errorf("ben got %q", got)
		}
	})
}

func TestForwardedReliableDataIsReplayedThere(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("den", "ana"), tc.enter("attic", "ben")
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		for n, text := range []string{"one", "two", "three"} {
			ana.sendPacket(peer.Reliable, saying(uint32(n+1), text))
		}
		ben.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_SyncState{SyncState: &livekit.SyncState{
			DatachannelReceiveStates: []*livekit.DataChannelReceiveState{
				{PublisherSid: ben.p().state.participants["ana"].sid, LastSeq: 1}}}}})
		if got := ben.got(); got != "one two three two three" {
			t.Errorf("got %q", got)
		}
	})
}

func TestCallsAndMetricsStayInTheirRoom(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("den", "ana"), tc.enter("attic", "ben")
		ben.p().permission.CanSubscribeMetrics = true
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*livekit.DataPacket{
			{Value: &livekit.DataPacket_RpcRequest{RpcRequest: &livekit.RpcRequest{Id: "1", Method: "m"}}, DestinationIdentities: []string{"ben"}},
			{Value: &livekit.DataPacket_RpcAck{RpcAck: &livekit.RpcAck{RequestId: "1"}}, DestinationIdentities: []string{"ben"}},
			{Value: &livekit.DataPacket_RpcResponse{RpcResponse: &livekit.RpcResponse{RequestId: "1"}}, DestinationIdentities: []string{"ben"}},
			{Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{StreamId: "c", Topic: "lk.rpc_request"}}},
			{Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{StreamId: "a", Topic: "lk.rpc_response"}}},
			{Value: &livekit.DataPacket_Metrics{Metrics: &livekit.MetricsBatch{}}},
		} {
			ana.sendPacket(peer.Reliable, p)
		}
		if got := ben.sub().data; len(got) != 0 {
			t.Errorf("ben got %v", got)
		}
		ana.sendPacket(peer.Reliable, &livekit.DataPacket{Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{StreamId: "s"}}})
		if got := ben.sub().data; len(got) != 1 || got[0].GetStreamHeader().GetStreamId() != "s" {
			t.Errorf("ben got %v", got)
		}
	})
}

func TestDataTracksAreForwarded(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("den", "ana"), tc.enter("attic", "ben")
		ana.publishData(7, "pose")
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		ana.publishData(8, "map")
		double := ben.p().state.participants["ana"]
		infos, home := double.info().DataTracks, ana.p().info().DataTracks
		if len(infos) != 2 || infos[0].Name != "pose" || infos[1].Name != "map" || infos[0].Sid == home[0].Sid {
			t.Fatalf("the double has %v of %v", infos, home)
		}
		ben.subscribeData(infos[1].Sid, true)
		ana.sendFrame(frame(7, "one"))
		ana.sendFrame(frame(8, "two"))
		if got, want := ben.frames(), []string{string(frame(1, "two"))}; !slices.Equal(got, want) {
			t.Errorf("ben got %q, want %q", got, want)
		}
		ana.unpublishData(8)
		ana.sendFrame(frame(8, "three"))
		if got := ben.frames(); len(got) != 0 || len(double.info().DataTracks) != 1 {
			t.Errorf("ben got %q of a track that ended", got)
		}
		ana.leave()
		if n := len(ben.p().dataHandles); n != 0 {
			t.Errorf("%d handles of who has left", n)
		}
	})
}

func TestForwardedDataNeedsThePermissionToPublishIt(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		j := joinOf("den", "ana")
		j.Permission.CanPublishData = false
		ana, ben := tc.accept(j), tc.enter("attic", "ben")
		ana.transport(peer.Connected)
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		ana.sendPacket(peer.Reliable, userPacket("no"))
		if got := ben.got(); got != "" {
			t.Errorf("got %q", got)
		}
	})
}

// A room that does not keep up loses what may be lost. For want of anything better
// a forwarding ends whose reliable data would have a gap.
func TestForwardedDataThatIsTooMuchIsBounded(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("den", "ana"), tc.enter("attic", "ben")
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		f := ana.p().forwards[0]
		block := func(during func()) {
			release := make(chan struct{})
			ben.room().post(func(*state) { <-release })
			synctest.Wait()
			during()
			if f.waiting > maxCarried {
				t.Errorf("%d bytes wait", f.waiting)
			}
			close(release)
			synctest.Wait()
		}
		big := strings.Repeat("x", 60_000)
		count := func() int { return len(strings.Fields(ben.got())) }
		block(func() {
			for range 2 * maxCarried / len(big) {
				ana.sendPacket(peer.Lossy, userPacket(big))
			}
			ana.sendPacket(peer.Reliable, userPacket("kept"))
		})
		if n := count(); n < maxCarried/len(big) || n > maxCarried/len(big)+2 || !strings.HasSuffix(ben.got(), "kept") {
			t.Errorf("%d arrived", n)
		}
		n := count()
		block(func() {
			for range 2 * maxCarried / len(big) {
				ana.sendPacket(peer.Reliable, userPacket(big))
			}
		})
		if got := count() - n; got < maxCarried/len(big)-1 || got > maxCarried/len(big)+2 {
			t.Errorf("%d arrived", got)
		}
		if ben.p().state.participants["ana"] != nil || len(ana.p().forwards) != 0 {
			t.Error("what has a gap goes on")
		}
		if ana.p().gone {
			t.Error("the original is gone too")
		}
	})
}

// That reliable data was too much is told once, however long the other room takes.
func TestForwardingThatEndsSaysSoOnce(t *testing.T) {
	var log bytes.Buffer
	inBubble(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(tc *test) {
		ana, ben := tc.enter("den", "ana"), tc.enter("attic", "ben")
		if err := tc.forward(ana, "attic"); err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		ben.room().post(func(*state) { <-release })
		for _, f := range ana.p().forwards {
			f.tell(func() { f.stuck = true })
			synctest.Wait()
		}
		for _, name := range []string{"Ana", "Anna", "Anne"} {
			ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{Name: name}}})
		}
		close(release)
		synctest.Wait()
		if n := strings.Count(log.String(), "too much for this room"); n != 1 {
			t.Errorf("it is told %d times", n)
		}
		if ben.p().state.participants["ana"] != nil || len(ana.p().forwards) != 0 {
			t.Error("it goes on")
		}
	})
}
