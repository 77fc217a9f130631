package room

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

func TestQualityIsToldWhenItIsNewOrChanges(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		stranger := joinOf("demo", "stranger")
		stranger.AutoSubscribe = false
		carol := tc.accept(stranger)
		carol.transport(peer.Connected)
		alice.publishCamera()
		for _, c := range []*client{alice, bob, carol} {
			c.heard()
		}
		sleep(qualityInterval)
		counts := `room participants=3 publishers=1 metadata=""`
		alice.wantHeard("her own; bob publishes nothing", counts, "quality alice=EXCELLENT")
		bob.wantHeard("his own and that of whom he receives", counts, "quality alice=EXCELLENT bob=EXCELLENT")
		carol.wantHeard("her own; she receives nobody", counts, "quality stranger=EXCELLENT")
		sleep(time.Minute)
		bob.wantHeard("nothing changed")
		alice.transport(peer.Disconnected)
		sleep(qualityInterval)
		bob.wantHeard("alice is cut off", "quality alice=LOST")
		alice.transport(peer.Connected)
		sleep(qualityInterval)
		bob.wantHeard("alice is back", "quality alice=EXCELLENT")
	})
}

// film is a camera in three layers whose packets come.
type film struct {
	t      *testing.T
	inputs []*uptrack.Input
	number uint16
	rtt    atomic.Int64 // to the client, in ns
}

func (c *client) film() *film {
	f := &film{t: c.tc.t}
	up := uptrack.New(uptrack.Options{
		Codec: uptrack.Codec{MimeType: "video/VP8", ClockRate: 90000},
		RTT:   func() time.Duration { return time.Duration(f.rtt.Load()) },
	})
	r := &fakeReceiver{id: "film", kind: "video", rids: []string{"q", "h", "f"}, up: up}
	for i, rid := range r.rids {
		f.inputs = append(f.inputs, up.AddStream(uptrack.StreamInfo{RID: rid, SSRC: uint32(i + 1)}))
	}
	c.announce("film", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
	c.conn().post(func(_ *state, p *participant) { p.receiverReady(r) })
	synctest.Wait()
	return f
}

// play has five pictures a second come, every other one that late.
func (f *film) play(d, late time.Duration) {
	const each = 200 * time.Millisecond
	for end := time.Now().Add(d); time.Now().Before(end); {
		f.number++
		wait := each
		if late > 0 && f.number%2 == 0 {
			time.Sleep(late)
			wait -= late
		}
		for i, in := range f.inputs {
			raw, err := (&rtp.Packet{
				Header: rtp.Header{
					Version: 2, Marker: true, PayloadType: 96, SSRC: uint32(i + 1), SequenceNumber: f.number,
					Timestamp: uint32(f.number) * 90000 / uint32(time.Second/each),
				},
				Payload: []byte{0x10, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01},
			}).Marshal()
			if err != nil {
				f.t.Fatal(err)
			}
			in.Receive(raw, nil)
		}
		sleep(wait)
	}
}

// nowhere is what a connection would send with.
type nowhere struct{}

func (nowhere) WriteRTP(_ *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	return len(payload), nil
}

func TestQualityFeelsTheWayOfWhoOnlyPublishes(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		film := alice.film()
		film.play(2*qualityInterval, 0)
		alice.heard()
		const ms = time.Millisecond
		for _, c := range []struct {
			what      string
			rtt, late time.Duration
			want      []string
		}{
			{"on another continent", 150 * ms, 0, nil},
			{"far away", 500 * ms, 0, []string{"quality alice=GOOD"}},
			{"further away", 900 * ms, 0, []string{"quality alice=POOR"}},
			{"near again", 20 * ms, 0, []string{"quality alice=EXCELLENT"}},
			{"near, and late every other time", 20 * ms, 150 * ms, []string{"quality alice=GOOD"}},
			{"near, and even", 20 * ms, 0, []string{"quality alice=EXCELLENT"}},
		} {
			film.rtt.Store(int64(c.rtt))
			film.play(3*qualityInterval, c.late)
			alice.wantHeard(c.what, c.want...)
		}
	})
}

func TestQualityFeelsWhatTheConnectionDoesNotCarry(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		film := alice.film()
		down := bob.p().subscriptions[bob.trackOf(alice)].sender.DownTrack()
		down.Bind(downtrack.Binding{SSRC: 9, PayloadType: 96, Writer: nowhere{}})
		film.play(2*qualityInterval, 0)
		alice.heard()
		bob.heard()
		for _, c := range []struct {
			what     string
			starved  bool
			allotted int
			want     []string
		}{
			{"all of it fits", false, 2, nil},
			{"one layer does not", false, 1, []string{"quality bob=GOOD"}},
			{"two layers do not", false, 0, []string{"quality bob=POOR"}},
			{"all of it fits again", false, 2, []string{"quality bob=EXCELLENT"}},
			{"nothing fits", true, 0, []string{"quality bob=POOR"}},
			{"and one layer again", false, 1, []string{"quality bob=GOOD"}},
			{"and all of it", false, 2, []string{"quality bob=EXCELLENT"}},
		} {
			down.SetStarved(c.starved)
			down.SetAllotted(c.allotted)
			film.play(2*qualityInterval, 0)
			bob.wantHeard(c.what, c.want...)
		}
		down.SetMaxLayer(0)
		down.SetAllotted(0)
		film.play(2*qualityInterval, 0)
		bob.wantHeard("what bob does not want is not missed")
		alice.wantHeard("her own connection is as it was")
	})
}

func TestLossCountsWhatCameOnlyBecauseItWasAskedFor(t *testing.T) {
	at := func(received, missing, recovered int) (c counts) {
		c.add(uptrack.LayerStats{Packets: uint64(received), Lost: int64(missing), Recovered: uint64(recovered)})
		return c
	}
	for _, c := range []struct {
		what          string
		before, after counts
		want          float64
	}{
		{"nothing lost", at(50, 0, 0), at(150, 0, 0), 0},
		{"one in five missing", at(50, 0, 0), at(130, 20, 0), 0.2},
		{"one in five, all of it sent again", at(50, 0, 0), at(150, 0, 20), 0.2},
		{"missing before, sent again since", at(40, 10, 0), at(150, 0, 10), 0},
		{"nothing came", at(50, 0, 0), at(50, 0, 0), 0},
		{"a stream that began anew", at(50, 10, 0), at(20, 0, 0), 0},
	} {
		if got := c.after.loss(c.before); got != c.want {
			t.Errorf("%s: loss %.2f, want %.2f", c.what, got, c.want)
		}
	}
}
