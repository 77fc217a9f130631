package client_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/client"
)

var (
	long = flag.Bool("long", false, "run the tests of bad networks and of many reconnects in their long form")
	seed = flag.Int("seed", 1, "what the troubles of bad networks are drawn by")
)

// crossing is a talk of two across a cable: alice is behind it, bob is beside the
// server. Media and numbered messages go both ways all the while.
type crossing struct {
	t     *testing.T
	cable *cable
	alice *talker
	bob   *talker
}

// talker is one of the two.
type talker struct {
	room *client.Room
	told *record

	mu   sync.Mutex
	got  []int                    // mu guards; the numbers of the messages that came
	seen map[string]*atomic.Int64 // mu guards; packets, by the track's kind
}

func newTalker(s *site, identity string, change ...func(*client.Options)) *talker {
	told, on := recording(s.t)
	p := &talker{told: told, seen: map[string]*atomic.Int64{}}
	listen := func(o *client.Options) {
		setup := o.Setup
		o.Setup = func(room *client.Room) {
			setup(room)
			client.On(room, func(e client.DataReceived) {
				n, _ := strconv.Atoi(string(e.Payload))
				p.mu.Lock()
				defer p.mu.Unlock()
				p.got = append(p.got, n)
			})
			client.On(room, func(e client.TrackSubscribed) { go p.watch(e.Track) })
		}
	}
	p.room = s.join(identity, append(change, on, listen)...)
	return p
}

// watch counts a track's packets until it ends.
func (p *talker) watch(track *client.RemoteTrack) {
	p.mu.Lock()
	kind := track.Kind().String()
	if p.seen[kind] == nil {
		p.seen[kind] = new(atomic.Int64)
	}
	count := p.seen[kind]
	p.mu.Unlock()
	for range track.Packets(context.Background()) {
		count.Add(1)
	}
}

// numbers are those of the messages that came.
func (p *talker) numbers() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// packets is how many packets of each kind have come.
func (p *talker) packets() map[string]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]int64{}
	for kind, n := range p.seen {
		all[kind] = n.Load()
	}
	return all
}

// crossings runs a test with either kind of connections, each on a cable of its own.
func crossings(t *testing.T, test func(x *crossing)) {
	t.Parallel()
	bothAt(t, steadySite, func(t *testing.T, s *site, mode func(*client.Options)) {
		x := &crossing{t: t, cable: newCable(t, 1)}
		x.alice = newTalker(s, "alice", mode, quickly, x.cable.through)
		x.bob = newTalker(s, "bob", mode)
		x.publish(x.alice)
		x.publish(x.bob)
		x.flows("before")
		test(x)
	})
}

// publish has somebody send sound and a picture.
func (x *crossing) publish(p *talker) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sound, sight := client.NewLocalTrack(client.Opus), client.NewLocalTrack(client.VP8)
	play(x.t, sound, tone())
	play(x.t, sight, picture(320, 240, 1000))
	for _, track := range []*client.LocalTrack{sound, sight} {
		if _, err := p.room.Local().Publish(ctx, client.PublishOptions{Width: 320, Height: 240}, track); err != nil {
			x.t.Fatal(err)
		}
	}
}

// flows waits until media goes on, both ways.
func (x *crossing) flows(when string) {
	x.t.Helper()
	const more = 30
	before := []map[string]int64{x.alice.packets(), x.bob.packets()}
	x.wait("media flows "+when, func() error {
		for i, p := range []*talker{x.alice, x.bob} {
			now := p.packets()
			for _, kind := range []string{"AUDIO", "VIDEO"} {
				if now[kind] < before[i][kind]+more {
					return fmt.Errorf("%s: %d packets of %s, before %d; others %+v", p.room.Local().Identity(), now[kind], kind, before[i][kind],
						p.room.State().Participants)
				}
			}
		}
		return nil
	})
}

// wait waits until there is no error.
func (x *crossing) wait(what string, is func() error) {
	x.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := is()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			x.t.Fatalf("%s: %v", what, err)
		}
	}
}

// during sends numbered messages both ways while fn runs, and a little before and
// after, and returns how many.
func (x *crossing) during(fn func()) (fromAlice, fromBob int) {
	x.t.Helper()
	const around = 20
	for _, p := range []*talker{x.alice, x.bob} {
		p.mu.Lock()
		p.got = nil
		p.mu.Unlock()
	}
	stopc := make(chan struct{})
	var sent [2]atomic.Int64
	var sending sync.WaitGroup
	for i, p := range []*talker{x.alice, x.bob} {
		sending.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
			defer cancel()
			for n, left := 0, around; left > 0; n++ {
				if err := p.room.Local().PublishData(ctx, strconv.AppendInt(nil, int64(n), 10), client.DataOptions{}); err != nil {
					x.t.Errorf("%s sends message %d: %v", p.room.Local().Identity(), n, err)
					return
				}
				sent[i].Add(1)
				select {
				case <-stopc:
					left--
				default:
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	x.wait("messages begin", func() error {
		if a, b := len(x.alice.numbers()), len(x.bob.numbers()); a < around || b < around {
			return fmt.Errorf("%d and %d have come", a, b)
		}
		return nil
	})
	fn()
	close(stopc)
	sending.Wait()
	return int(sent[0].Load()), int(sent[1].Load())
}

// complete wants every message once and in order.
func (x *crossing) complete(fromAlice, fromBob int) {
	x.t.Helper()
	x.wait("all messages come", func() error {
		if a, b := len(x.alice.numbers()), len(x.bob.numbers()); a < fromBob || b < fromAlice {
			return fmt.Errorf("alice has %d of %d, bob %d of %d", a, fromBob, b, fromAlice)
		}
		return nil
	})
	for _, p := range []*talker{x.alice, x.bob} {
		for i, n := range p.numbers() {
			if n != i {
				x.t.Fatalf("%s: message %d is %d", p.room.Local().Identity(), i, n)
			}
		}
	}
}

// resumed wants a resume, and no full reconnect.
func (x *crossing) resumed() {
	x.t.Helper()
	if e := next[client.Reconnecting](x.alice.told); e.Full {
		x.t.Error("a full reconnect begins")
	}
	if e := next[client.Reconnected](x.alice.told); e.Full {
		x.t.Error("not resumed")
	}
}

// undisturbed wants somebody not to have been told of anything's end.
func (x *crossing) undisturbed(p *talker) {
	x.t.Helper()
	for {
		select {
		case e := <-p.told.events:
			switch e := e.(type) {
			case client.ParticipantDisconnected, client.TrackUnpublished, client.TrackUnsubscribed, client.TrackSubscriptionFailed,
				client.LocalTrackUnpublished, client.Disconnected:
				x.t.Errorf("%s was told %s", p.room.Local().Identity(), e.View())
			case client.Reconnected: // on a busy machine there may be a resume
				if e.Full {
					x.t.Errorf("%s was joined anew", p.room.Local().Identity())
				}
			}
		default:
			return
		}
	}
}

func TestLossReorderingAndDelayLoseNoData(t *testing.T) {
	crossings(t, func(x *crossing) {
		a, b := x.during(func() {
			x.cable.set(rough)
			x.flows("in rough weather")
			time.Sleep(2 * time.Second)
		})
		x.complete(a, b)
		x.undisturbed(x.alice)
		x.undisturbed(x.bob)
	})
}

func TestLinkDownForThreeSecondsIsLivedThrough(t *testing.T) {
	crossings(t, func(x *crossing) {
		a, b := x.during(func() {
			x.cable.set(weather{down: true})
			time.Sleep(3 * time.Second)
			x.cable.set(weather{})
			x.flows("after the link was down")
		})
		x.complete(a, b)
		x.undisturbed(x.alice)
		x.undisturbed(x.bob)
	})
}

func TestDeviceDownForThreeSecondsIsResumed(t *testing.T) {
	crossings(t, func(x *crossing) {
		a, b := x.during(func() {
			x.cable.set(weather{down: true})
			x.cable.reset()
			time.Sleep(3 * time.Second)
			x.cable.set(weather{})
			x.resumed()
			x.flows("after the device was down")
		})
		x.complete(a, b)
		x.undisturbed(x.alice)
		x.undisturbed(x.bob)
	})
}

func TestReboundAddressIsFollowed(t *testing.T) {
	crossings(t, func(x *crossing) {
		a, b := x.during(func() {
			x.cable.rebind(net.IPv4(127, 0, 0, 2))
			x.flows("from another address")
		})
		x.complete(a, b)
		x.undisturbed(x.alice)
		x.undisturbed(x.bob)
	})
}

func TestChangedAddressIsResumedFrom(t *testing.T) {
	crossings(t, func(x *crossing) {
		a, b := x.during(func() {
			x.cable.move(net.IPv4(127, 0, 0, 3))
			x.resumed()
			x.flows("from another address")
		})
		x.complete(a, b)
		x.undisturbed(x.alice)
		x.undisturbed(x.bob)
	})
}

func TestResumeTakesBackAnOfferOnItsWay(t *testing.T) {
	crossings(t, func(x *crossing) {
		local := x.alice.room.Local()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for range 2 {
			a, b := x.during(func() {
				x.cable.set(weather{down: true})
				for _, pub := range local.Tracks() {
					if err := local.Unpublish(ctx, pub); err != nil {
						x.t.Fatal(err)
					}
				}
				x.cable.reset()
				x.cable.set(weather{})
				x.resumed()
			})
			x.complete(a, b)
			x.publish(x.alice)
			x.flows("after publishing again")
		}
	})
}

func TestFullReconnectDoublesNothing(t *testing.T) {
	crossings(t, func(x *crossing) {
		const times = 3
		a, b := x.during(func() {
			for range times {
				client.Restore(x.alice.room, true)
				if e := next[client.Reconnected](x.alice.told); !e.Full {
					x.t.Error("resumed")
				}
				x.flows("after joining anew")
			}
		})
		// What is sent while alice is not in the room does not reach her, and what is
		// on its way as she goes may not arrive.
		for p, n := range map[*talker]int{x.alice: b, x.bob: a} {
			who := p.room.Local().Identity()
			x.wait("the last messages come", func() error {
				if got := p.numbers(); len(got) == 0 || got[len(got)-1] != n-1 {
					return fmt.Errorf("%s has %d of %d", who, len(got), n)
				}
				return nil
			})
			gaps, got := 0, p.numbers()
			for i := 1; i < len(got); i++ {
				if got[i] <= got[i-1] {
					x.t.Fatalf("%s: %d comes after %d", who, got[i], got[i-1])
				}
				if got[i] > got[i-1]+1 {
					gaps++
				}
			}
			if gaps > times {
				x.t.Errorf("%s misses messages in %d places: %v", who, gaps, got)
			}
		}
	})
}

func TestFirstOfferOnItsWayIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]func(*client.Options){"dual": func(*client.Options) {}, "single": single} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := anySite(t)
			cable := newCable(t, 1)
			alice, bob := newTalker(s, "alice", mode, quickly, cable.through), newTalker(s, "bob")
			cable.set(weather{down: true})
			sent := make(chan error, 1)
			go func() {
				sent <- alice.room.Local().PublishData(s.context(), []byte("0"), client.DataOptions{})
			}()
			time.Sleep(100 * time.Millisecond) // for the offer to be made; if it is not, that is fine, too
			cable.reset()
			cable.set(weather{})
			if e := next[client.Reconnected](alice.told); e.Full {
				t.Error("not resumed")
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if e := next[client.DataReceived](bob.told); string(e.Payload) != "0" {
				t.Errorf("got %q", e.Payload)
			}
		})
	}
}

// One trouble after another, in an order that repeats with its seed.
func TestAprilWeatherLosesNoData(t *testing.T) {
	troubles := 3
	if *long {
		troubles = 100
	}
	crossings(t, func(x *crossing) {
		chance := rand.New(rand.NewPCG(uint64(*seed), 1))
		for i := range troubles {
			w := weather{loss: 0.1 * chance.Float64(), delay: time.Duration(chance.Int64N(int64(200 * time.Millisecond)))}
			w.jitter = w.delay
			down := time.Duration(chance.Int64N(int64(2 * time.Second)))
			kind := chance.IntN(4)
			if *long {
				down *= 7 // below 15 s, after which the server takes the connection for failed
				kind = chance.IntN(5)
			}
			x.t.Logf("%d: %+v, down for %v, trouble %d", i, w, down, kind)
			a, b := x.during(func() {
				x.cable.set(w)
				switch kind {
				case 0: // no more than that
				case 1:
					x.cable.set(weather{down: true})
					time.Sleep(down)
				case 2:
					x.cable.set(weather{down: true})
					x.cable.reset()
					time.Sleep(down)
				case 3:
					x.cable.rebind(net.IPv4(127, 0, 0, byte(2+i)))
				case 4:
					x.cable.move(net.IPv4(127, 0, 0, byte(2+i)))
				}
				x.cable.set(w)
				x.flows("in bad weather")
				x.cable.set(weather{})
			})
			x.complete(a, b)
			x.t.Logf("%d: %d and %d messages", i, a, b)
			x.stayed(x.alice)
			x.stayed(x.bob)
		}
	})
}

// stayed wants somebody to have been resumed at most, by what was told so far: a room
// waits for who is told.
func (x *crossing) stayed(p *talker) {
	x.t.Helper()
	for len(p.told.events) > 0 {
		switch e := (<-p.told.events).(type) {
		case client.Reconnected:
			if e.Full {
				x.t.Errorf("%s was joined anew", p.room.Local().Identity())
			}
		case client.Disconnected, client.ParticipantDisconnected:
			x.t.Errorf("%s was told %s", p.room.Local().Identity(), e.View())
		}
	}
}
