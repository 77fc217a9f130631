package rtpstats

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
)

var start = time.Date(2030, 1, 2, 3, 4, 5, 600_000_000, time.UTC)

func TestNTPRoundTrips(t *testing.T) {
	if got := NTP(time.Unix(0, 500_000_000)); got != 2208988800<<32|1<<31 {
		t.Fatalf("1970 is %x", got)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		at := start.Add(time.Duration(rng.Int64N(int64(24 * time.Hour * 365))))
		if got := Time(NTP(at)); got.Sub(at).Abs() > time.Nanosecond {
			t.Fatalf("%v became %v", at, got)
		}
	}
}

func TestRTTIsNowLessReportLessDelay(t *testing.T) {
	sent := start
	lsr := uint32(NTP(sent) >> 16)
	dlsr := uint32(Ticks(2*time.Second, 65536))
	got, ok := RTT(sent.Add(2*time.Second+150*time.Millisecond), lsr, dlsr)
	if !ok || (got-150*time.Millisecond).Abs() > time.Millisecond {
		t.Fatalf("round trip %v, %v", got, ok)
	}
	if _, ok := RTT(sent, 0, 0); ok {
		t.Fatal("a round trip without a sender report")
	}
	if _, ok := RTT(sent, lsr, dlsr); ok {
		t.Fatal("a negative round trip")
	}
	if got, ok := RTT(sent, lsr, 1); !ok || got <= 0 {
		t.Fatal("rounding must not fail")
	}
}

func TestLossIsCountedOverIntervals(t *testing.T) {
	r := NewReceiver(90000)
	if _, ok := r.Report(1, start); ok {
		t.Fatal("reported before the first packet")
	}
	now := start
	seq := uint64(1<<16 | 65500)
	send := func(n int, lose func(i int) bool) {
		for i := range n {
			if !lose(i) {
				r.Packet(seq, uint32(seq)*3000, now)
			}
			seq++
			now = now.Add(time.Second / 30)
		}
	}
	none := func(int) bool { return false }
	send(100, func(i int) bool { return i%4 == 1 })
	rep, _ := r.Report(7, now)
	if rep.FractionLost != 64 || rep.TotalLost != 25 {
		t.Fatalf("fraction %d, total %d", rep.FractionLost, rep.TotalLost)
	}
	if want := uint32(seq - 1); rep.LastSequenceNumber != want {
		t.Fatalf("highest %x, want %x", rep.LastSequenceNumber, want)
	}
	send(100, none)
	if rep, _ = r.Report(7, now); rep.FractionLost != 0 || rep.TotalLost != 25 {
		t.Fatalf("fraction %d, total %d", rep.FractionLost, rep.TotalLost)
	}
	if rep.LastSenderReport != 0 || rep.Delay != 0 {
		t.Fatal("a sender report out of nothing")
	}
	r.SenderReport(NTP(now), now)
	send(1, none)
	now = now.Add(time.Second)
	want := rtcp.ReceptionReport{SSRC: 7, TotalLost: 25, LastSequenceNumber: uint32(seq - 1),
		LastSenderReport: uint32(NTP(now.Add(-time.Second-time.Second/30)) >> 16)}
	rep, _ = r.Report(7, now)
	if d := time.Duration(rep.Delay) * time.Second / 65536; (d - time.Second - time.Second/30).Abs() > time.Millisecond {
		t.Fatalf("delay %v", d)
	}
	rep.Delay, rep.Jitter = 0, 0
	if diff := cmp.Diff(want, rep); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

func TestRecoveredPacketsAreNotLost(t *testing.T) {
	r := NewReceiver(48000)
	for _, seq := range []uint64{100, 101, 103, 102, 99} {
		r.Packet(seq, uint32(seq)*960, start)
	}
	if r.Lost() != 0 || r.Received() != 5 {
		t.Fatalf("lost %d of %d", r.Lost(), r.Received())
	}
}

// A steady stream has no jitter, also where its timestamps wrap; one whose
// packets alternate between 0 and 20 ms late converges to 20 ms.
func TestJitterFollowsRFC3550(t *testing.T) {
	for _, late := range []time.Duration{0, 20 * time.Millisecond} {
		r := NewReceiver(48000)
		ts := uint32(1<<32 - 960*50)
		now := start
		for i := range 1000 {
			at := now
			if i%2 == 1 {
				at = at.Add(late)
			}
			r.Packet(uint64(1<<16+i), ts, at)
			ts += 960
			now = now.Add(20 * time.Millisecond)
		}
		if got := r.Jitter(); (got - late).Abs() > time.Millisecond {
			t.Errorf("jitter %v, want %v", got, late)
		}
	}
}

func TestRateIsOfTheLastFullSecond(t *testing.T) {
	var r Rate
	now := start
	for range 250 {
		r.Add(1250, now)
		now = now.Add(10 * time.Millisecond)
	}
	if got := r.BitsPerSecond(now); got < 950_000 || got > 1_050_000 {
		t.Fatalf("rate %d", got)
	}
	r.BitsPerSecond(now.Add(10 * time.Second))
	if got := r.BitsPerSecond(now.Add(12 * time.Second)); got != 0 {
		t.Fatalf("rate %d after silence", got)
	}
}
