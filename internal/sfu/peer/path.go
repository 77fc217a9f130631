package peer

import (
	"crypto/rand"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/consent"
	"github.com/rollcall-rtc/rollcall/internal/sfu/ice"
	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

// Our credentials of ICE. RFC 8445 §5.3 wants 24 and 128 bits; a character has five.
const (
	ufragLength = 16
	pwdLength   = 32
)

// maxNames is how many sessions have the client's checks answered: that of the path in
// use, whose checks must go on, and restarts of which the client has not heard yet.
const maxNames = 5

func newCredentials() stun.Credentials {
	secrets := rand.Text() + rand.Text()
	return stun.Credentials{Ufrag: secrets[:ufragLength], Password: secrets[ufragLength : ufragLength+pwdLength]}
}

// finder finds the path of a connection: an agent of ICE between the sockets and the tasks.
type finder struct {
	agent  *ice.Agent  // immutable once begun, nil before
	chosen atomic.Bool // the agent has selected a path since settle was called last

	names []string // tasks only; our user name fragments that are registered

	mu     sync.Mutex
	timer  *time.Timer // mu guards; of the agent's, nil before it was needed
	due    time.Time   // mu guards; when it ends, zero if it does not run
	closed bool        // mu guards
}

// batchSender sends what the agent does, with a batch.
type batchSender struct{ batch *transport.Batch }

// Send implements ice.Sender.
func (s batchSender) Send(p ice.Path, b []byte) {
	path := p.(*transport.Path)
	path.Claim()
	s.batch.Add(path, copy(s.batch.Reserve(len(b)), b))
}

// listen begins to answer the client's checks. offers says that we make the first offer.
func (c *conn) listen(offers bool) error {
	own := newCredentials()
	link := c.packets.link
	if c.factory.mux == nil && !c.withoutUDP() {
		mux, err := c.factory.openOwn()
		if err != nil && c.factory.streams == nil {
			return err
		}
		link.Use(mux)
		c.own = mux
	}
	c.finder.agent = ice.New(ice.Options{
		Local: own, Lite: c.lite(), Controlling: offers,
		Paths: func(addr netip.AddrPort) []ice.Path {
			var paths []ice.Path
			for _, p := range link.Paths(addr) {
				paths = append(paths, p)
			}
			return paths
		},
		Selected: func(p ice.Path) {
			link.Select(p.(*transport.Path))
			c.finder.chosen.Store(true)
		},
		Heard: c.vigil.heard,
	})
	c.vigil.lite = c.lite()
	return c.register(own.Ufrag)
}

// withoutUDP reports whether the client is to come over TCP alone.
func (c *conn) withoutUDP() bool { return c.tcpOnly && c.factory.streams != nil }

func (c *conn) lite() bool { return c.factory.opts.ICELite && !c.fullICE }

// register has checks with a user name fragment of ours answered, besides those with the
// ones before: the client may not know yet that it is another.
func (c *conn) register(ufrag string) error {
	if err := c.packets.link.Register(ufrag); err != nil {
		return err
	}
	if c.finder.names = append(c.finder.names, ufrag); len(c.finder.names) > maxNames {
		c.packets.link.Unregister(c.finder.names[0])
		c.finder.names = c.finder.names[1:]
	}
	return nil
}

// renew begins a restart of ICE on our side.
func (c *conn) renew() error {
	own := newCredentials()
	c.finder.agent.Restart(own)
	return c.register(own.Ufrag)
}

// search has the agent look for a path to a client that describes itself so.
func (c *conn) search(r *remote, batch *transport.Batch) {
	c.settle(c.finder.agent.Start(r.own, r.lite, time.Now(), batchSender{batch}))
}

// check takes a STUN message, see transport.Handler.
func (c *conn) check(b []byte, from *transport.Path, batch *transport.Batch) {
	if from == c.packets.link.Path() {
		if ok, back := c.vigil.take(b, from, batch); ok {
			if back {
				_ = c.queue.post(c.updateState)
			}
			return
		}
	}
	if finding(c.vigil.found.Load()) == pathLost && c.finder.agent.Path() == ice.Path(from) {
		return // RFC 7675 §5.1: with these credentials it is over. A client that hears nothing restarts.
	}
	c.settle(c.finder.agent.Handle(b, from, time.Now(), batchSender{batch}))
}

// settle follows what the agent has done, and has it called again when it wants to be.
func (c *conn) settle(next time.Time) {
	f := &c.finder
	if k := c.vigil.keeper.Load(); k != nil {
		k.SetRole(f.agent.Controlling())
	}
	if f.chosen.Swap(false) {
		c.watch()
	}
	if !next.IsZero() { // else another call may have been told of a time
		f.wake(next, c.tick)
	}
}

// watch begins to keep the path that ICE has chosen.
func (c *conn) watch() {
	local, remote, controlling := c.finder.agent.Session()
	c.vigil.keep(consent.New(local, remote, controlling, time.Now()))
	if c.packets.link.Path() == nil {
		c.finder.agent.Reselect() // the path before it was lost, and dropped, in this moment
	}
	if p := c.packets.link.Path(); p != nil {
		c.took(p)
	}
	c.shake.reach()
	_ = c.queue.post(c.updateState)
}

func (c *conn) tick() {
	batch := transport.Borrow()
	defer batch.Return()
	if c.finder.woken() {
		c.settle(c.finder.agent.Tick(time.Now(), batchSender{batch}))
	}
}

// wake has tick called then, or earlier.
func (f *finder) wake(next time.Time, tick func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || !f.due.IsZero() && !next.Before(f.due) {
		return
	}
	f.due = next
	if f.timer == nil {
		f.timer = time.AfterFunc(time.Until(next), tick)
	} else {
		f.timer.Reset(time.Until(next))
	}
}

// woken notes that the timer has ended. It reports false after close.
func (f *finder) woken() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.due = time.Time{}
	return !f.closed
}

func (f *finder) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
}

// settled says whether ICE has chosen a path, and nothing is looking for another.
func (c *conn) settled() bool {
	return c.finder.agent != nil && c.finder.agent.Path() != nil && !c.finder.agent.Searching()
}

// complainAfter is how long a client looks for a path in vain before the log has it.
const complainAfter = 5 * time.Second

// complain tells the log of a client to which no path was found: it is about to be
// given up, or to leave. heard tells which way is closed: a client of which nothing
// was heard does not reach us.
func (c *conn) complain(sought time.Duration) {
	if c.complained || !c.known || c.finder.agent.Path() != nil {
		return
	}
	c.complained = true
	c.log.Warn("no way to send media to the client", "sought", sought.Round(time.Second),
		"candidates", c.accepted, "heard", c.finder.agent.Answered())
}
