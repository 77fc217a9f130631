package peer

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/bwe"
)

// counts returns how many packets were numbered and how many the client said
// have arrived.
func (g *budget) counts() (sent uint16, arrived uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.estimator == nil {
		return 0, 0
	}
	sent, _ = g.history.Load().Next()
	return sent, g.estimator.Reported()
}

func (c *subClient) heardStreams() (s []string) {
	c.with(func() { s = slices.Clone(c.streams) })
	return s
}

// Feedback about padding names an SSRC on which there is no track.
func TestEveryVideoPacketAndPaddingIsReportedOn(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, camera := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	s, err := c.sub.AddTrack("PA_x|TR_camera", "TR_camera", p.track("camera").UpTrack())
	if err != nil {
		t.Fatal(err)
	}
	c.sub.Negotiate()
	c.connected()
	sendVP8(t, camera, "video arrives", func() bool { return c.packets("TR_camera") >= 50 })
	// A busy machine may lose some even on loopback: fewer than there is padding.
	all := func() bool {
		sent, arrived := c.sub.budget.counts()
		return sent > 0 && arrived+5 >= uint64(sent)
	}
	eventually(t, "all is reported", all)
	before, _ := c.sub.budget.counts()
	if n := s.DownTrack().Pad(5000); n < 5000 {
		t.Fatalf("%d bytes of padding", n)
	}
	if after, _ := c.sub.budget.counts(); after-before < 5000/275 {
		t.Fatalf("%d packets of padding have a number", after-before)
	}
	eventually(t, "padding is reported", all)
	c.sub.budget.mu.Lock()
	defer c.sub.budget.mu.Unlock()
	if e := c.sub.budget.estimator; e.RoundTrip() <= 0 || e.Capacity() != bwe.Unlimited {
		t.Errorf("round trip %v, capacity %d", e.RoundTrip(), e.Capacity())
	}
	if got := c.heardStreams(); !slices.Equal(got, []string{"TR_camera flows"}) {
		t.Errorf("told %q", got)
	}
}

// A client that only estimates by itself is believed, down and up.
func TestVideoThatDoesNotFitIsPausedAndResumed(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, camera := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{bare: true})
	large := append([]byte{0x10, 0x00}, make([]byte, 1000)...) // a key frame each
	s, err := c.sub.AddTrack("PA_x|TR_camera", "TR_camera", p.track("camera").UpTrack())
	if err != nil {
		t.Fatal(err)
	}
	c.sub.Negotiate()
	c.connected()
	send(t, camera, 3000, large, "video arrives", func() bool { return c.packets("TR_camera") >= 50 })
	ssrc := func() (ssrc uint32) {
		for _, tr := range c.pc.GetTransceivers() {
			if r := tr.Receiver(); r != nil && r.Track() != nil {
				ssrc = uint32(r.Track().SSRC())
			}
		}
		return ssrc
	}()
	estimate := func(bitrate float32) {
		if err := c.pc.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: bitrate, SSRCs: []uint32{ssrc}}}); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 2 {
		send(t, camera, 3000, large, "pause", func() bool { estimate(100); return s.DownTrack().Starved() })
		n := c.packets("TR_camera")
		send(t, camera, 3000, large, "resumption", func() bool { estimate(5_000_000); return c.packets("TR_camera") > n+50 })
		want := []string{"TR_camera flows"}
		for range round + 1 {
			want = append(want, "TR_camera is paused", "TR_camera flows")
		}
		eventually(t, fmt.Sprint(want), func() bool { return slices.Equal(c.heardStreams(), want) })
	}
}

// A ceiling holds whatever the connection carries, and its end is the end of it.
func TestACeilingPausesVideoUntilItIsTakenAway(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, camera := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	large := append([]byte{0x10, 0x00}, make([]byte, 1000)...) // a key frame each
	s, err := c.sub.AddTrack("PA_x|TR_camera", "TR_camera", p.track("camera").UpTrack())
	if err != nil {
		t.Fatal(err)
	}
	c.sub.LimitBandwidth(1) // before there is anything to limit
	c.sub.LimitBandwidth(0)
	c.sub.Negotiate()
	c.connected()
	send(t, camera, 3000, large, "video arrives", func() bool { return c.packets("TR_camera") >= 50 })
	for range 2 {
		c.sub.LimitBandwidth(1000)
		last := func() string {
			heard := c.heardStreams()
			return heard[len(heard)-1]
		}
		send(t, camera, 3000, large, "pause", func() bool { return s.DownTrack().Starved() && last() == "TR_camera is paused" })
		n := c.packets("TR_camera")
		c.sub.LimitBandwidth(0)
		send(t, camera, 3000, large, "resumption", func() bool { return c.packets("TR_camera") > n+50 && last() == "TR_camera flows" })
	}
}

// least is what the least of a track takes, in bits per second: every fourth frame of the
// lowest layer.
const least = 8 * fps / 4 * (250 + rtpHeader)

// Of two tracks that do not both fit, the one of less importance waits.
func TestOfTwoTracksTheLessImportantIsPaused(t *testing.T) {
	for first, priorities := range [][2]int{{20, 0}, {0, 20}} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlay(t, 1)
			defer p.end()
			kept, paused := p.actors[first], p.actors[1-first]
			for i, a := range p.actors {
				a.sender.SetPriority(priorities[i])
			}
			p.run(3 * time.Second)
			for round := range 3 {
				kept.came()
				paused.came()
				p.LimitBandwidth(least * 14 / 10)
				p.run(2 * time.Second)
				if kept.sender.down.Starved() || !paused.sender.down.Starved() {
					t.Fatalf("round %d: the more important is paused: %v, the other: %v", round, kept.sender.down.Starved(), paused.sender.down.Starved())
				}
				if n, m := kept.came(), paused.came(); n == 0 || m != 0 {
					t.Errorf("round %d: %d packets come of the more important, %d of the other", round, n, m)
				}
				if got := [2]string{p.heard(kept), p.heard(paused)}; got != [2]string{"flows", "paused"} {
					t.Errorf("round %d: told %q", round, got)
				}
				p.LimitBandwidth(0)
				p.run(2 * time.Second)
				if what := p.amiss(); what != "" {
					t.Fatalf("round %d, without a limit: %s", round, what)
				}
			}
		})
	}
}

func TestWhatAClientSaysOfThePathHarmsNobody(t *testing.T) {
	g := new(budget)
	g.feedback([]byte{0x8f, 205, 0, 1, 0, 0, 0, 0}) // before there is a track
	g.remb(1, time.Now())
	g.close()
	g.close()
}

// A section that carried a track before has to number packets like the first:
// without it nothing is heard of them, and nothing can be probed.
func TestSectionThatIsUsedAgainIsNumbered(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, _ := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	up := p.track("camera").UpTrack()
	first, err := c.sub.AddTrack("PA_x|TR_one", "TR_one", up)
	if err != nil {
		t.Fatal(err)
	}
	c.sub.Negotiate()
	c.connected()
	c.settled()
	c.sub.RemoveTrack(first)
	c.sub.Negotiate()
	c.settled()
	second, err := c.sub.AddTrack("PA_x|TR_two", "TR_two", up)
	if err != nil {
		t.Fatal(err)
	}
	c.sub.Negotiate()
	c.settled()
	eventually(t, "second track bound", func() bool {
		var bound bool
		done := make(chan struct{})
		if err := c.sub.queue.post(func() { bound = second.bound; close(done) }); err != nil {
			t.Fatal(err)
		}
		<-done
		return bound
	})
	var ext uint8
	done := make(chan struct{})
	if err := c.sub.queue.post(func() { ext = second.binding.SequenceExt; close(done) }); err != nil {
		t.Fatal(err)
	}
	<-done
	if ext == 0 {
		t.Errorf("packets are not numbered; offer:\n%s", c.lastOffer().sdp)
	}
}
