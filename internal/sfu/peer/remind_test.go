package peer

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// askedFor are the requests that the client has heard.
func (c *duplexClient) askedFor() (asked [][2]int) {
	c.with(func() { asked = append(asked, c.asked...) })
	return asked
}

// patient has clients asked again after so many steps, and not given up, however busy
// the machine is.
func patient(step time.Duration) func(*Options) {
	return func(o *Options) { o.AnswerTimeout, o.reminderStep = time.Hour, step }
}

// settled waits until everything that was asked of the connection before is done, and
// heard by the client.
func (c *duplexClient) settled() {
	c.t.Helper()
	heardc := make(chan struct{})
	err := c.duplex.queue.post(func() { c.duplex.call(func() { close(heardc) }) })
	if err != nil {
		c.t.Fatal(err)
	}
	<-heardc
}

func TestWhoIsAskedForAnOfferIsNotRemindedOfItsTracks(t *testing.T) {
	f := newTestFactory(t, patient(4*time.Minute))
	p, _, _ := publishBoth(t, f)
	c := enterDuplex(t, f, 0, 0)
	c.with(func() { c.deaf = true })
	c.add("TR_1", p, "camera")
	c.duplex.Remind() // the request is about to be made, or is made
	eventually(t, "asked", func() bool { return len(c.askedFor()) > 0 })
	c.duplex.Remind()
	c.settled()
	if asked := c.askedFor(); !slices.Equal(asked, [][2]int{{0, 1}}) {
		t.Errorf("asked for %v", asked)
	}
	c.with(func() { c.deaf = false })
	c.addSections(0, 1)
	c.offer(nil)
	c.carries("TR_1")
	c.duplex.Remind()
	c.settled()
	if asked := c.askedFor(); !slices.Equal(asked, [][2]int{{0, 1}, {}}) {
		t.Errorf("asked for %v, then reminded", asked)
	}
	c.offer(nil) // after the one that it is asked for
}

func TestClientThatForgetsToOfferIsReminded(t *testing.T) {
	f := newTestFactory(t, patient(500*time.Millisecond))
	p, _, camera := publishBoth(t, f)
	c := enterDuplex(t, f, 0, 0)
	c.with(func() { c.forgets = 2 })
	c.add("TR_1", p, "camera")
	c.carries("TR_1")
	sendVP8(t, camera, "it arrives", func() bool { return c.reception.packets("TR_1") > 5 })
	asked := c.askedFor()
	if len(asked) < 3 || asked[0] != [2]int{0, 1} {
		t.Errorf("asked for %v", asked)
	}
	for _, more := range asked[1:] {
		if more != [2]int{} {
			t.Errorf("asked for %v, though it has the sections", asked)
		}
	}
	if n := len(c.pc.GetTransceivers()); n != 1 {
		t.Errorf("%d sections for one track", n)
	}
	if n := f.Traffic().Reminders; n < 2 {
		t.Errorf("%d reminders are told", n)
	}
}

func TestClientThatMissesARequestIsAskedForAllInTheEnd(t *testing.T) {
	f := newTestFactory(t, patient(20*time.Millisecond))
	p, _, _ := publishBoth(t, f)
	c := enterDuplex(t, f, 0, 0)
	c.with(func() { c.misses = len(reminders) })
	c.add("TR_1", p, "camera")
	c.carries("TR_1")
	asked := c.askedFor()
	if last := asked[len(reminders)]; last != [2]int{0, 1} {
		t.Errorf("asked for %v", asked)
	}
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

func TestNobodyIsRemindedOfWhatIsNotWantedAnyMore(t *testing.T) {
	f := newTestFactory(t, patient(100*time.Millisecond))
	p, _, camera := publishBoth(t, f)
	c := enterDuplex(t, f, 0, 0)
	c.with(func() { c.deaf = true })
	s := c.add("TR_1", p, "camera")
	eventually(t, "asked", func() bool { return len(c.askedFor()) == 1 })
	c.duplex.RemoveTrack(s)
	c.settled()
	before := len(c.askedFor())
	eventually(t, "no offer is awaited", func() bool {
		awaitedc := make(chan bool, 1)
		if err := c.duplex.queue.post(func() { awaitedc <- c.duplex.awaited }); err != nil {
			t.Fatal(err)
		}
		return !<-awaitedc
	})
	c.settled()
	if asked := c.askedFor(); len(asked) != before {
		t.Errorf("asked for %v, of which %d while it was wanted", asked, before)
	}
	c.with(func() { c.deaf = false })
	c.add("TR_2", p, "camera")
	c.carries("TR_2")
	sendVP8(t, camera, "it arrives", func() bool { return c.reception.packets("TR_2") > 5 })
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

func TestWhoKeepsSparesIsNotRemindedToGiveThemBack(t *testing.T) {
	const step = 10 * time.Millisecond
	f := newTestFactory(t, patient(step))
	p, _, camera := publishBoth(t, f)
	c := enterDuplex(t, f, 0, 1)
	c.duplex.keepsSpares = true
	s := c.add("TR_1", p, "camera")
	c.carries("TR_1")
	asked := len(c.askedFor())
	c.with(func() { c.deaf = true })
	c.duplex.RemoveTrack(s)
	eventually(t, "asked to give it back", func() bool { return len(c.askedFor()) > asked })
	time.Sleep(2 * step * reminders[len(reminders)-1])
	c.settled()
	if got := c.askedFor(); len(got) != asked+1 {
		t.Errorf("asked for %v, the first %d of them for the track", got, asked)
	}
	c.with(func() { c.deaf = false })
	c.add("TR_2", p, "camera")
	c.carries("TR_2") // though no offer came for the section of the other
	sendVP8(t, camera, "it arrives", func() bool { return c.reception.packets("TR_2") > 5 })
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

// Whatever comes together: tracks that come and go, offers of the client's own that
// cross with what it is asked for, and requests that it misses or does not act on.
func TestTracksFindSectionsInAnyOrder(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			f := newTestFactory(t, func(o *Options) {
				patient(50 * time.Millisecond)(o)
				o.askAgain = 100 * time.Millisecond
			})
			p, _, _ := publishBoth(t, f)
			c := enterDuplex(t, f, 1, 1)
			live := map[string]*Sender{}
			for i := range 40 {
				switch random.IntN(7) {
				case 0, 1, 2:
					id := fmt.Sprint("TR_", i)
					live[id] = c.add(id, p, []string{"mic", "camera"}[random.IntN(2)])
				case 3, 4:
					if ids := slices.Sorted(maps.Keys(live)); len(ids) > 0 {
						id := ids[random.IntN(len(ids))]
						c.duplex.RemoveTrack(live[id])
						delete(live, id)
					}
				case 5:
					c.signalc <- func() { c.negotiate(nil) }
				default:
					c.with(func() { c.misses, c.forgets = random.IntN(2), random.IntN(2) })
				}
				time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
			}
			c.carries(slices.Collect(maps.Keys(live))...)
			c.offer(nil) // after whatever it has still to do
			if err := c.failure(); err != nil {
				t.Error(err)
			}
		})
	}
}
