package peer

import (
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
)

func TestReliableDataBeyondTheLimitWaitsAndLossyDataIsDropped(t *testing.T) {
	now := time.Unix(0, 0)
	g := newDataGate(DataLimit{Messages: 20_000, Bytes: 100_000}, now)
	passed := 0
	for {
		wait, drop, first := g.admit(Lossy, 10_000, now)
		if wait > 0 {
			t.Fatal("lossy data waits")
		}
		if drop {
			if !first {
				t.Error("nobody is told")
			}
			break
		}
		passed++
	}
	if want := dataBurst * 10; passed != want {
		t.Errorf("%d messages passed, want %d", passed, want)
	}
	wait, drop, first := g.admit(Reliable, 10_000, now)
	if drop || first || wait != 100*time.Millisecond {
		t.Errorf("reliable data: wait %v, drop %v, told again %v", wait, drop, first)
	}
	if wait, _, _ := g.admit(Reliable, 10_000, now.Add(10*time.Second)); wait != 0 {
		t.Errorf("after ten seconds it waits %v", wait)
	}
}

func TestDataOfTracksBeyondTheLimitIsDroppedToo(t *testing.T) {
	now := time.Unix(0, 0)
	g := newDataGate(DataLimit{Bytes: 100_000}, now)
	for range dataBurst * 10 {
		if wait, drop, _ := g.admit(DataTrack, 10_000, now); drop || wait > 0 {
			t.Fatal("it does not pass")
		}
	}
	if wait, drop, _ := g.admit(DataTrack, 10_000, now); !drop || wait > 0 {
		t.Errorf("wait %v, drop %v", wait, drop)
	}
}

func TestTooManySmallMessagesAreTooMuchToo(t *testing.T) {
	now := time.Unix(0, 0)
	g := newDataGate(DataLimit{Messages: 20_000}, now)
	for i := range dataBurst * 20_000 {
		if _, drop, _ := g.admit(Lossy, 1, now); drop {
			t.Fatalf("message %d is dropped", i)
		}
	}
	if _, drop, _ := g.admit(Lossy, 1, now); !drop {
		t.Error("one more passes")
	}
	slow := newDataGate(DataLimit{Messages: 10}, now)
	for i := range dataBurst * 10 {
		if _, drop, _ := slow.admit(Lossy, 1, now); drop {
			t.Fatalf("message %d of ten a second is dropped", i)
		}
	}
	if _, drop, _ := slow.admit(Lossy, 1, now); !drop {
		t.Error("one more of ten a second passes")
	}
	open := newDataGate(DataLimit{}, now)
	for range 1000 {
		if wait, drop, _ := open.admit(Reliable, MaxMessageSize, now); drop || wait > 0 {
			t.Fatal("without a limit there is one")
		}
	}
}

// What a connection may have saved up is a hundred messages here, and 25 come to it in a
// second: ten more take 400 ms.
func TestClientThatSendsTooMuchDataIsSlowedDownAndLosesWhatIsLossy(t *testing.T) {
	const saved, more, least = 100, 10, 400 * time.Millisecond
	for name, tt := range map[string]struct {
		limit DataLimit
		size  int
	}{
		"messages": {DataLimit{Messages: saved / dataBurst}, 10},
		"bytes":    {DataLimit{Bytes: saved / dataBurst * 10_000}, 10_000},
	} {
		t.Run(name, func(t *testing.T) {
			f := newTestFactory(t, func(o *Options) { o.DataLimit = tt.limit })
			c := newPubClient(t, f, clientOptions{})
			reliable, lossy := c.dataChannels()
			open := make(chan struct{}, 2)
			for _, channel := range []*webrtc.DataChannel{reliable, lossy} {
				channel.OnOpen(func() { open <- struct{}{} })
			}
			c.negotiate(nil)
			c.connected()
			<-open
			<-open
			count := func(kind DataKind) (n int) {
				c.with(func() {
					for _, m := range c.data {
						if m.kind == kind {
							n++
						}
					}
				})
				return n
			}
			payload := make([]byte, tt.size)
			send := func(channel *webrtc.DataChannel, n int) {
				for range n {
					if err := channel.Send(payload); err != nil {
						t.Fatal(err)
					}
				}
			}
			begin := time.Now()
			send(reliable, saved+more)
			eventually(t, "all that is reliable", func() bool { return count(Reliable) == saved+more })
			if took := time.Since(begin); took < least {
				t.Errorf("%d messages took %v, want at least %v", saved+more, took, least)
			}
			send(lossy, saved)
			send(reliable, 1)
			eventually(t, "one more", func() bool { return count(Reliable) == saved+more+1 })
			if n := count(Lossy); n > saved/2 {
				t.Errorf("%d of %d lossy messages passed", n, saved)
			}
			before := count(Lossy)
			eventually(t, "lossy data, after a while", func() bool {
				send(lossy, 1)
				return count(Lossy) > before
			})
		})
	}
}
