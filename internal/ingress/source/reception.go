package source

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Encoder has what WebRTC clients send encoded anew.
type Encoder struct {
	// FFmpeg is the name or the path of the program; empty: that of PATH.
	FFmpeg string
	// Running counts its children, unless it is nil.
	Running *ffmpeg.Children
	Logger  *slog.Logger
}

// Ready says what is missing for what the options ask for, in words for people; nil if
// nothing is.
func (e *Encoder) Ready(ctx context.Context, video *livekit.IngressVideoOptions) error {
	if err := e.Check(ctx, video); err != nil {
		return fmt.Errorf("what has to be encoded cannot be sent to a room: %w", err)
	}
	return nil
}

// Check is Ready, in the words of what is missing.
func (e *Encoder) Check(ctx context.Context, video *livekit.IngressVideoOptions) error {
	return ffmpeg.Able(ctx, e.FFmpeg, ffmpeg.Job{Layers: make([]ffmpeg.Layer, 1), LayersAs: encodesTo(video)})
}

// Media is what a client has said that it sends.
type Media struct {
	Pictures, Sound bool
	Stereo          bool
}

const (
	// lossPatience is how long a packet that is missing is waited for: the client is
	// asked for it again within a round trip.
	lossPatience = 300 * time.Millisecond
	// lookEvery is how often is looked whether that is over.
	lookEvery = 50 * time.Millisecond
	// askEvery is how far apart key frames are asked for, while none comes.
	askEvery = time.Second
	// maxUnread is how much may wait for a child that is slow, in bytes, of which each
	// packet takes perPacket beside what it carries.
	maxUnread = 8 << 20
	perPacket = 256
	// clockEvery is how often a track's clock is looked at.
	clockEvery = 500 * time.Millisecond
	// beforeAll keeps times positive: reports may say that something was captured
	// before the first packet came.
	beforeAll = time.Minute
)

// A Reception makes frames of a client's packets, and what the room is sent of the
// frames. Packets come on any goroutine; Run does the work.
type Reception struct {
	feed  *feed
	zero  time.Time     // where the source's clock begins; immutable
	wakec chan struct{} // has an element when packets have come

	mu     sync.Mutex
	lanes  []*Lane // mu guards
	unread []arrival
	size   int // mu guards; of what is unread, in bytes of memory
}

// arrival is a packet, or what the clock of its track shows.
type arrival struct {
	lane    *Lane
	at      time.Time
	packet  *rtp.Packet // nil: it is of the clock
	shows   uint32
	clocked bool
}

// Open returns what receives for the session. Run is needed, once.
func (e *Encoder) Open(s *ingress.Session, m Media) *Reception {
	f := newFeed(s, e.FFmpeg, e.Running, e.Logger)
	f.awaits, f.client = m.Pictures, true
	if m.Sound {
		f.sounds = &sound{codec: flv.Opus, channels: 1, rate: 48_000}
		if m.Stereo {
			f.sounds.channels = 2
		}
		s.SetAudio(mimeTypes[flv.Opus], uint32(f.sounds.channels), uint32(f.sounds.rate))
	}
	return &Reception{feed: f, zero: time.Now().Add(-beforeAll), wakec: make(chan struct{}, 1)}
}

// A Lane takes the packets of a track. It implements downtrack.Writer.
type Lane struct {
	of       *Reception
	clockAt  func(time.Time) (timestamp uint32, ok bool)
	keyframe func()
	looked   time.Time // at the clock; packets come one at a time

	frames *frames.Track // Run only, and what is below
	tags   tagger
	begun  bool // there was a key frame
	asked  time.Time
}

// Track adds a track of the client's. clockAt says what its clock shows, by the client's
// reports, and keyframe asks for a key frame; neither may block. It fails for a codec
// that is not known.
func (r *Reception) Track(mime string, rate uint32, clockAt func(time.Time) (uint32, bool), keyframe func()) (*Lane, error) {
	codec, err := container.CodecOf(mime)
	if err != nil {
		return nil, err
	}
	tags, err := taggerOf(codec)
	if err != nil {
		return nil, err
	}
	of, err := frames.New(codec, rate)
	if err != nil {
		return nil, err
	}
	of.Patience(lossPatience)
	l := &Lane{of: r, clockAt: clockAt, keyframe: keyframe, frames: of, tags: tags, begun: !codec.Video()}
	r.mu.Lock()
	if len(r.lanes) > 0 {
		of.Join(r.lanes[0].frames)
	}
	r.lanes = append(r.lanes, l)
	r.mu.Unlock()
	return l, nil
}

// Close says that nothing more comes of the track. What came and is not read yet is lost.
func (l *Lane) Close() {
	r := l.of
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lanes = slices.DeleteFunc(slices.Clone(r.lanes), func(other *Lane) bool { return other == l })
}

// WriteRTP keeps a copy of a packet for Run. It never waits: packets of which there are
// too many are lost.
func (l *Lane) WriteRTP(h *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	now := time.Now()
	a := arrival{lane: l, at: now, packet: &rtp.Packet{Header: h.Clone(), Payload: append([]byte(nil), payload...)}}
	if now.Sub(l.looked) >= clockEvery {
		if a.shows, a.clocked = l.clockAt(now); a.clocked {
			l.looked = now
		}
	}
	r := l.of
	r.mu.Lock()
	if r.size < maxUnread {
		r.unread = append(r.unread, a)
		r.size += h.MarshalSize() + len(payload) + perPacket
	}
	r.mu.Unlock()
	select {
	case r.wakec <- struct{}{}:
	default:
	}
	return len(payload), nil
}

// Run publishes what comes until ctx's end, or that of the session, or until it cannot
// go on: its error is shown to people, but for ingress.ErrEnded.
func (r *Reception) Run(ctx context.Context) (err error) {
	defer func() { r.feed.close(err != nil) }()
	defer context.AfterFunc(ctx, r.feed.leave)()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-r.wakec:
		case <-look.C:
		case <-ctx.Done():
			return nil
		case <-r.feed.session.Ended():
			return ended(r.feed.session)
		}
		if err := r.feed.failure(); err != nil {
			return err
		}
		if err := r.read(ctx, time.Now()); err != nil {
			if ctx.Err() != nil {
				return nil // the child was ended
			}
			return err
		}
	}
}

// read hands on what has come.
func (r *Reception) read(ctx context.Context, now time.Time) error {
	r.mu.Lock()
	unread, lanes := r.unread, r.lanes
	r.unread, r.size = nil, 0
	r.mu.Unlock()
	for _, a := range unread {
		if a.clocked {
			a.lane.frames.Clock(a.at, a.shows)
		}
		a.lane.frames.Push(a.packet, a.at)
	}
	for _, l := range lanes {
		if err := l.read(ctx, now); err != nil {
			return err
		}
	}
	return nil
}

// read hands on the frames that are complete.
func (l *Lane) read(ctx context.Context, now time.Time) error {
	for {
		f, lost, ok := l.frames.Next(now, false)
		l.begun = l.begun || ok && f.Key
		if (lost || !l.begun) && now.Sub(l.asked) >= askEvery {
			l.asked = now
			l.keyframe()
		}
		switch {
		case !ok:
			return nil
		case !l.begun:
			continue // nothing can be made of it
		}
		at := f.At.Sub(l.of.zero)
		for _, body := range l.tags.of(f) {
			if err := l.of.feed.take(ctx, l.tags.kind, at, body); err != nil {
				return err
			}
		}
	}
}
