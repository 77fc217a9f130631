package chaos

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

var (
	calls   = flag.Int("calls", 2000, "how many calls of two there are at a time, in the long form")
	talking = flag.Int("talking", 10, "in how many of a hundred of them somebody talks; in the others it is silent")
)

// Calls of two, of which each has somebody who speaks: 50 packets a second in some,
// and in the others, where it is silent, the two and a half that Opus sends then. All hear
// all of it.
func TestThousandsOfCallsOfTwo(t *testing.T) {
	takesTurns(t)
	n, window := 20, time.Second
	if *long {
		n, window = *calls, 20*time.Second
	}
	wantFiles(t, 4*n+1000)
	m := newMeeting(t)
	m.spare += keeps
	m.idle += kept(n)
	ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
	defer cancel()
	began := time.Now()
	c, err := callUp(ctx, m.s, n)
	defer c.hangUp()
	m.must(err)
	took := time.Since(began)
	for i, speaker := range c.speakers {
		if i*100 < n**talking {
			c.wheel.talking = append(c.wheel.talking, speaker)
		} else {
			c.wheel.silent = append(c.wheel.silent, speaker)
		}
	}
	c.wheel.all = c.all()
	speaking, hush := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer hush()
	running.Go(func() { c.wheel.turn(speaking) })
	m.s.poll("everybody to hear the other", func() error {
		deaf := 0
		for _, l := range c.listeners {
			if l.hears(3) == 0 {
				deaf++
			}
		}
		if deaf > 0 {
			return fmt.Errorf("%d hear nothing", deaf)
		}
		return c.gone()
	})

	before := c.look(m.s)
	time.Sleep(window)
	after := c.look(m.s)
	seconds := after.at.Sub(before.at).Seconds()
	received, missed := after.received-before.received, after.missed-before.missed
	now := m.s.usage()
	// Go keeps the descriptors of goroutines that have ended, some 440 bytes each.
	m.spare += 512 * uint64(now.goroutines)
	t.Logf("%d calls, joined in %v; %d talk: %.0f packets/s sent, %.0f heard, %d missed (dropped at the server's socket: %d, at ours: %d; not sent in time: %d); "+
		"cores: server %.2f, callers %.2f; each has %d KiB of the server's heap and %.1f goroutines",
		n, took.Round(time.Second), len(c.wheel.talking), float64(after.sent-before.sent)/seconds, float64(received)/seconds, missed,
		after.theirs-before.theirs, after.ours-before.ours, after.late-before.late,
		(after.server-before.server).Seconds()/seconds, (after.load-before.load).Seconds()/seconds,
		(int(now.heap)-int(m.before.heap))/(2*n)/1024, float64(now.goroutines-m.before.goroutines)/float64(2*n))
	m.must(c.gone())
	if received == 0 || missed*1000 > received {
		t.Errorf("%d packets of %d were missed", missed, received+missed)
	}
	m.wantAlive()
	hush()
	running.Wait()
	c.hangUp()
}

// phoneCalls is calls of two: who speaks and who listens in each.
type phoneCalls struct {
	speakers, listeners []*caller
	wheel               wheel
	hangUp              func()
}

// callUp begins so many calls, as many a second as there is time for.
func callUp(ctx context.Context, s *server, n int) (*phoneCalls, error) {
	c := &phoneCalls{speakers: make([]*caller, n), listeners: make([]*caller, n)}
	c.hangUp = sync.OnceFunc(func() { hangUp(c.all()) })
	cs, err := newCallers(s)
	if err != nil {
		return c, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range n {
		group.Go(func() error {
			for _, role := range []struct {
				name  string
				place **caller
			}{{"speaker", &c.speakers[i]}, {"listener", &c.listeners[i]}} {
				who, err := cs.join(ctx, fmt.Sprintf("call-%d", i), role.name, role.name == "speaker")
				if err == nil {
					*role.place = who
					err = who.connect(ctx)
				}
				if err != nil {
					return fmt.Errorf("%s of call %d: %w", role.name, i, err)
				}
			}
			return nil
		})
	}
	return c, group.Wait()
}

// hangUp has all leave who have come; nil is who has not.
func hangUp(all []*caller) {
	var leaving errgroup.Group
	leaving.SetLimit(workers)
	for _, c := range all {
		if c != nil {
			leaving.Go(func() error { c.leave(); return nil })
		}
	}
	_ = leaving.Wait()
}

// all is everybody who has come.
func (c *phoneCalls) all() (all []*caller) {
	for _, side := range [][]*caller{c.speakers, c.listeners} {
		for _, who := range side {
			if who != nil {
				all = append(all, who)
			}
		}
	}
	return all
}

// gone says who was cut off.
func (c *phoneCalls) gone() error {
	for _, who := range c.all() {
		select {
		case <-who.done:
			return who.err
		default:
		}
	}
	return nil
}

// wheel has everybody say what is theirs, in turn, a millisecond at a time.
type wheel struct {
	talking, silent, all []*caller
	late                 uint64 // milliseconds that were passed over; of turn, and read by look
	mu                   sync.Mutex
}

const (
	// spoken, refreshed and reported are how often who talks sends a packet, who is silent
	// does (RFC 6716 §2.1.9), and everybody tells that they are there, in milliseconds.
	spoken, refreshed, reported = 20, 400, 5000
	// behind is from how many milliseconds on they are passed over instead of made up for.
	behind = 200
)

// turn does so until ctx ends.
func (w *wheel) turn(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for now := uint64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := uint64(time.Since(began).Milliseconds())
		if due > now+behind {
			w.mu.Lock()
			w.late += due - now - behind
			w.mu.Unlock()
			now = due - behind
		}
		for ; now < due; now++ {
			each(w.talking, now, spoken, func(c *caller, n uint64) { c.say(n, voice, 80) })
			each(w.silent, now, refreshed, func(c *caller, n uint64) { c.say(n*refreshed/spoken, silence, 2) })
			each(w.all, now, reported, func(c *caller, _ uint64) { c.report() })
		}
	}
}

// each is those whose turn it is at a time; n is how many they had before.
func each(all []*caller, now, period uint64, do func(c *caller, n uint64)) {
	for i := now % period; i < uint64(len(all)); i += period {
		do(all[i], now/period)
	}
}

// sight is what has been until a moment.
type sight struct {
	at                     time.Time
	server, load           time.Duration // of processors
	sent, received, missed uint64        // packets
	theirs, ours           uint64        // packets for which sockets had no room
	late                   uint64        // milliseconds in which nothing was said
}

func (c *phoneCalls) look(s *server) sight {
	s.t.Helper()
	now := sight{at: time.Now(), server: s.processor()}
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		s.t.Fatal(err)
	}
	now.load = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	for _, who := range c.speakers {
		now.sent += who.sent.Load()
	}
	for _, who := range c.listeners {
		received, missed := who.counted()
		now.received += received
		now.missed += missed
	}
	c.wheel.mu.Lock()
	now.late = c.wheel.late
	c.wheel.mu.Unlock()
	var err error
	if now.theirs, now.ours, err = dropped(s.udpPort); err != nil {
		s.t.Fatal(err)
	}
	return now
}

// processor is how much of processors the process has used.
func (s *server) processor() time.Duration {
	s.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		s.t.Fatal(err)
	}
	return time.Duration(user+system) * time.Second / 100 // USER_HZ, on every architecture that Go runs on
}

// dropped is how many datagrams sockets had no room for: the server's at that port, and those
// that are connected to it.
func dropped(port int) (theirs, ours uint64, err error) {
	f, err := os.Open("/proc/net/udp")
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // sl local remote … drops
		if len(fields) < 4 {
			continue
		}
		drops, err := strconv.ParseUint(fields[len(fields)-1], 10, 64)
		switch {
		case err != nil: // the names of the fields
		case strings.HasSuffix(fields[1], suffix):
			theirs += drops
		case strings.HasSuffix(fields[2], suffix):
			ours += drops
		}
	}
	return theirs, ours, nil
}
