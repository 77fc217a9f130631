package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
)

const (
	apiKey, apiSecret = "devkey", "secret"

	writers        = 3
	roomsPerWriter = 3
	stepsPerLife   = 15 // of each writer
)

// witness is told what a victim does.
type witness interface {
	// record tells of the records that the life before left, and of its end.
	record(r *event.Record)
	// settled says that the records end at last, with everybody's session closed,
	// so long after the start.
	settled(last uint64, after time.Duration)
	// durable says that the log called the events up to seq durable.
	durable(seq uint64)
}

// victim is one life.
type victim struct {
	dir     string
	fs      vfs.FS
	urls    []string
	life    int
	after   uint64 // what the witness knows already
	idle    bool   // writes nothing
	moments *moments
	witness witness
}

// run lives until ctx ends, or the moment comes.
func (v *victim) run(ctx context.Context) (err error) {
	began := time.Now()
	store, err := pebble.Open(pebble.Options{Dir: v.dir, FS: v.moments.files(v.fs), MemTableSize: 1 << 20})
	if err != nil {
		return err
	}
	log, err := eventlog.Open(eventlog.Options{Store: watchedStore{store, v.moments}})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	defer func() { err = errors.Join(err, log.Close(context.WithoutCancel(ctx))) }()
	eng, err := delivery.Start(v.delivery(log))
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = eng.Close(closing) // who hangs is given up
	}()

	var open []*livekit.Room
	if v.life%2 == 0 {
		_, open, err = log.ClosePeople(ctx, time.Now())
	} else {
		_, err = log.CloseOpen(ctx, time.Now())
	}
	if err != nil {
		return err
	}
	last := log.Last()
	if err := v.tell(ctx, log, last); err != nil {
		return err
	}
	v.witness.settled(last, time.Since(began))

	var wg sync.WaitGroup
	errs := make([]error, writers)
	for w := range writers {
		if v.idle {
			break
		}
		wg.Go(func() { errs[w] = v.write(ctx, log, w, open) })
	}
	wg.Wait()
	<-ctx.Done()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

func (v *victim) delivery(log *eventlog.Log) delivery.Options {
	gaps := []time.Duration{5 * time.Millisecond, 20 * time.Millisecond}
	o := delivery.Options{
		Log: log, Cursors: log, Timeout: 5 * time.Second,
		Retry: delivery.RetryPolicy{Gaps: gaps}, Breaker: delivery.BreakerPolicy{Probes: gaps},
	}
	o.Transport.DialContext = v.moments.dial
	for i, url := range v.urls {
		// The faulty one would now and then be shown to refuse an event alone, which
		// is then left behind with notice: the judge wants the strict order.
		o.Endpoints = append(o.Endpoints, delivery.Endpoint{ID: delivery.EndpointID(url), URL: url, APIKey: apiKey, Secret: apiSecret, Block: i > 0})
	}
	return o
}

// tell hands the witness the records up to last.
func (v *victim) tell(ctx context.Context, log *eventlog.Log, last uint64) error {
	for after := v.after; after < last; {
		records, err := log.Read(ctx, after, int(min(eventlog.MaxRead, last-after)))
		if err != nil {
			return err
		}
		for i := range records {
			v.witness.record(&records[i])
		}
		after = records[len(records)-1].Seq
	}
	return nil
}

// write lets people come and go in a few rooms of its own, and waits for each
// step to be durable.
func (v *victim) write(ctx context.Context, log *eventlog.Log, w int, open []*livekit.Room) error {
	random := rand.New(rand.NewPCG(uint64(v.life), uint64(w)))
	var sessions [roomsPerWriter]*session
	for i := range sessions {
		name := fmt.Sprintf("room-%d-%d", w, i)
		for _, room := range open {
			if room.Name == name {
				sessions[i] = &session{name: name, sid: room.Sid, life: v.life}
			}
		}
	}
	for step := range stepsPerLife {
		i := random.IntN(len(sessions))
		var events []event.Event
		if sessions[i] == nil {
			sessions[i] = &session{name: fmt.Sprintf("room-%d-%d", w, i), sid: fmt.Sprintf("RM_%d_%d_%d", v.life, w, step), life: v.life}
			events = append(events, sessions[i].event(event.RoomStarted, nil))
		}
		s := sessions[i]
		for range 1 + random.IntN(3) {
			events = append(events, s.step(random)...)
		}
		if random.IntN(8) == 0 {
			events = append(events, s.finish()...)
			sessions[i] = nil
		}
		seq := log.Append(events...)
		if err := log.Sync(ctx, seq); err != nil {
			return err
		}
		v.witness.durable(seq)
	}
	return nil
}

// session tells the story of one room session within one life.
type session struct {
	name, sid string
	life      int
	made      int
	present   []*livekit.ParticipantInfo
}

func (s *session) event(name event.Name, p *livekit.ParticipantInfo) event.Event {
	return event.Event{Name: name, Time: time.Now(), Participant: p,
		Room: &livekit.Room{Name: s.name, Sid: s.sid, NumParticipants: uint32(len(s.present))}}
}

// step is somebody who comes, publishes or goes.
func (s *session) step(random *rand.Rand) []event.Event {
	if len(s.present) == 0 || len(s.present) < 4 && random.IntN(2) == 0 {
		s.made++
		p := &livekit.ParticipantInfo{
			Sid: fmt.Sprintf("PA_%s_%d_%d", s.sid, s.life, s.made), Identity: fmt.Sprintf("guest-%d", s.made),
			State: livekit.ParticipantInfo_ACTIVE,
		}
		s.present = append(s.present, p)
		return []event.Event{s.event(event.ParticipantJoined, p)}
	}
	i := random.IntN(len(s.present))
	p := s.present[i]
	if len(p.Tracks) == 0 && random.IntN(2) == 0 {
		p = &livekit.ParticipantInfo{Sid: p.Sid, Identity: p.Identity, State: p.State,
			Tracks: []*livekit.TrackInfo{{Sid: "TR_" + p.Sid, Name: "camera"}}}
		s.present[i] = p
		e := s.event(event.TrackPublished, p)
		e.Track = p.Tracks[0]
		return []event.Event{e}
	}
	return s.leave(i)
}

func (s *session) leave(i int) []event.Event {
	p := s.present[i]
	var events []event.Event
	for _, t := range p.Tracks {
		e := s.event(event.TrackUnpublished, p)
		e.Track = t
		events = append(events, e)
	}
	s.present = append(s.present[:i:i], s.present[i+1:]...)
	return append(events, s.event(event.ParticipantLeft, p))
}

func (s *session) finish() []event.Event {
	var events []event.Event
	for len(s.present) > 0 {
		events = append(events, s.leave(0)...)
	}
	return append(events, s.event(event.RoomFinished, nil))
}
