package ffmpeg

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// State is how a destination is.
type State string

// The states. The last two are ends.
const (
	Active   State = "active"
	Retrying State = "retrying"
	Finished State = "finished"
	Failed   State = "failed"
)

// PushOptions say how long a Pusher tries. The zero value is as it should be.
type PushOptions struct {
	// Retry is how long it waits after the first failure; each further one doubles it
	// up to MaxRetry. Default 500 ms and 10 s.
	Retry, MaxRetry time.Duration
	// GiveUp is how long it may be without a connection. Default 60 s.
	GiveUp time.Duration
	// Guard says what may be reached; the zero value lets everything.
	Guard Guard
}

// Pusher sends frames to one destination. What it cannot send in time it leaves
// out, up to the next key frame: nobody waits for it.
type Pusher struct {
	program *Program
	dest    destination
	tracks  []container.Track
	video   int // index of that track, -1 for none
	say     func(State, error)
	opts    PushOptions
	frames  chan container.Frame
	stopc   chan struct{}
	donec   chan struct{}
	once    sync.Once

	mu    sync.Mutex
	child *child // that sends now; nil without one
	late  bool   // Close has waited for long enough: nothing is sent any more

	// Push only.
	broken bool // frames were left out, and the next that counts is a key frame
}

// maxUnsent is how many frames wait for the network: some seconds of them.
const maxUnsent = 512

// Push begins to send to a URL. say is told of each change, by one goroutine.
func (p *Program) Push(url string, tracks []container.Track, o PushOptions, say func(State, error)) (*Pusher, error) {
	dest, err := parse(url)
	if err != nil {
		return nil, err
	}
	o.Retry, o.MaxRetry, o.GiveUp = cmp.Or(o.Retry, 500*time.Millisecond), cmp.Or(o.MaxRetry, 10*time.Second), cmp.Or(o.GiveUp, time.Minute)
	s := &Pusher{
		program: p, dest: dest, tracks: tracks, video: -1, say: say, opts: o,
		frames: make(chan container.Frame, maxUnsent), stopc: make(chan struct{}), donec: make(chan struct{}),
	}
	for i, t := range tracks {
		if t.Codec.Video() {
			s.video = i
		}
	}
	go s.run()
	return s, nil
}

// Push hands on a frame, and never waits.
func (s *Pusher) Push(f container.Frame) {
	if s.broken {
		if s.video >= 0 && (f.Track != s.video || !f.Key) {
			return
		}
		s.broken = false
	}
	select {
	case s.frames <- f:
	default:
		s.broken = true
	}
}

// closePatience is how long Close has what was handed on be sent. It is much less
// than the server waits for the end of a recording, which no destination may spoil.
const closePatience = 2 * time.Second

// Close ends it, and returns when what was handed on is sent, or cannot be, or is not
// for 2 s.
func (s *Pusher) Close() {
	s.once.Do(func() { close(s.stopc) })
	timer := time.AfterFunc(closePatience, func() { s.sendBy(nil, true) })
	defer timer.Stop()
	<-s.donec
}

// sendBy has Close know which child sends. Once it is too late, none does.
func (s *Pusher) sendBy(c *child, late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = s.late || late
	if !late {
		s.child = c
	}
	if s.late && s.child != nil {
		s.child.kill() // which ends writing to it, too
	}
}

// Done is closed when it has ended, by Close or because it gave up.
func (s *Pusher) Done() <-chan struct{} { return s.donec }

// run connects, again and again.
func (s *Pusher) run() {
	defer close(s.donec)
	wait := s.opts.Retry
	since := time.Now() // without a connection
	for {
		connected, err := s.connect()
		if err == nil {
			s.say(Finished, nil)
			return
		}
		if connected {
			since, wait = time.Now(), s.opts.Retry
		}
		if time.Since(since)+wait > s.opts.GiveUp || s.stopped() {
			s.say(Failed, err)
			return
		}
		s.say(Retrying, err)
		timer := time.NewTimer(wait)
		for waiting := true; waiting; {
			select {
			case <-s.frames: // too late
			case <-timer.C:
				waiting = false
			case <-s.stopc:
				timer.Stop()
				s.say(Failed, err)
				return
			}
		}
		wait = min(2*wait, s.opts.MaxRetry)
	}
}

func (s *Pusher) stopped() bool {
	select {
	case <-s.stopc:
		return true
	default:
		return false
	}
}

// connect sends until it is stopped, which is no error if there is a connection, or
// cannot go on.
func (s *Pusher) connect() (connected bool, err error) {
	way, err := s.dest.open(s.opts.Guard, s.stopc)
	if err != nil {
		return false, err
	}
	defer way.close()
	in, feed, err := pipe()
	if err != nil {
		return false, err
	}
	progress, said, err := pipe()
	if err != nil {
		return false, errors.Join(err, in.Close(), feed.Close())
	}
	args := []string{
		"-probesize", "1000000", "-analyzeduration", "1000000", "-f", "mpegts", "-i", "pipe:0", "-map", "0", "-c", "copy",
		"-progress", "pipe:1", "-stats_period", "0.5", "-flush_packets", "1",
	}
	c, err := s.program.start(append(args, way.args...), in, said)
	if err != nil {
		return false, errors.Join(err, feed.Close(), progress.Close())
	}
	s.sendBy(c, false)
	defer s.sendBy(nil, false)
	upc := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		defer progress.Close()
		lines, up := bufio.NewScanner(progress), false
		for lines.Scan() {
			if !up && strings.HasPrefix(lines.Text(), "progress=") {
				up = true
				close(upc)
			}
		}
	})
	err = s.feed(feed, c, upc, &connected)
	_ = feed.Close()
	patience := time.Second
	if err == nil {
		patience = endPatience
	}
	end := c.end(patience)
	reading.Wait()
	if err == nil && !connected {
		err = end
	}
	if err != nil && end != nil {
		err = hide(end, way.url) // it knows better
	}
	if why := way.problem(); err != nil && why != nil {
		err = why // and this best of all
	}
	return connected, err
}

// hide leaves the URL, which has a key in it, out of an error, and so what of it a server
// may quote: the key, with what follows it or without, and the values of parameters.
func hide(err error, url string) error {
	msg := strings.ReplaceAll(err.Error(), url, "the destination")
	path, query, _ := strings.Cut(url, "?")
	secrets := []string{url[strings.LastIndexByte(path, '/')+1:]}
	if key, _, _ := strings.Cut(path[strings.LastIndexByte(path, '/')+1:], " "); !strings.HasPrefix(url, "srt:") { // where it is the host
		secrets = append(secrets, key)
	}
	for parameter := range strings.SplitSeq(query, "&") {
		_, value, _ := strings.Cut(parameter, "=")
		before, after, _ := strings.Cut(value, "/") // some have the query before the key
		secrets = append(secrets, value, before, after)
	}
	for _, secret := range secrets {
		if len(secret) > 3 { // what is shorter is in any sentence
			msg = strings.ReplaceAll(msg, secret, "…")
		}
	}
	return errors.New(msg)
}

// feed writes frames to the child until it is stopped or the child is gone.
func (s *Pusher) feed(w *os.File, c *child, upc <-chan struct{}, connected *bool) error {
	out := bufio.NewWriterSize(w, 64<<10)
	ts, err := container.NewTS(out, s.tracks)
	if err != nil {
		return err
	}
	begun := s.video < 0
	write := func(f container.Frame) error {
		begun = begun || f.Track == s.video && f.Key
		if !begun {
			return nil
		}
		// A child that does not read for so long is as good as gone.
		_ = w.SetWriteDeadline(time.Now().Add(15 * time.Second))
		if err := ts.Write(f); err != nil && !errors.Is(err, container.ErrFrame) {
			return err
		}
		return out.Flush()
	}
	for {
		select {
		case f := <-s.frames:
			if err := write(f); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		case <-upc:
			upc, *connected = nil, true
			s.say(Active, nil)
		case <-c.donec:
			return errors.New("the connection ended")
		case <-s.stopc:
			for {
				select {
				case f := <-s.frames:
					if write(f) != nil {
						return nil
					}
					continue
				default:
				}
				return nil
			}
		}
	}
}
