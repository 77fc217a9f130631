package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
)

// backlog is a log full of sessions that are over: each is a room that starts,
// four participants who join and leave, and its end. An event has a body of about
// 1 KB. Rooms take turns, so that neighbours in the log are of different lanes.
type backlog struct{ events, rooms int }

// sessionEvents is how many events one session has.
const sessionEvents = 10

// rounded is the backlog with whole sessions only.
func (f backlog) rounded() backlog {
	turn := f.rooms * sessionEvents
	return backlog{max(1, (f.events+turn-1)/turn) * turn, f.rooms}
}

// fill appends the backlog to the log in dir and returns when it is durable.
// Appending takes part in order, and as one would in a burst: nobody waits for
// each event's sync.
func (f backlog) fill(ctx context.Context, dir string) (err error) {
	l, err := openLog(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close(context.WithoutCancel(ctx))) }()
	return f.appendTo(ctx, l)
}

// fillAndStay fills the log, says so, and leaves it open until the process is
// killed.
func (f backlog) fillAndStay(dir string) error {
	l, err := openLog(dir)
	if err != nil {
		return err
	}
	if err := f.appendTo(context.Background(), l); err != nil {
		return err
	}
	fmt.Print(filled)
	<-l.Failed()
	return l.Err()
}

func openLog(dir string) (*eventlog.Log, error) {
	store, err := pebble.Open(pebble.Options{Dir: logDir(dir)})
	if err != nil {
		return nil, err
	}
	l, err := eventlog.Open(eventlog.Options{Store: store})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return l, nil
}

func (f backlog) appendTo(ctx context.Context, l *eventlog.Log) error {
	f = f.rounded()
	var last uint64
	for i := range f.events {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		turn := i / f.rooms
		last = l.Append(sessionEvent(i%f.rooms, turn/sessionEvents, turn%sessionEvents))
	}
	return l.Sync(ctx, last)
}

// filler is text that does not compress, of which events have pieces as metadata.
var filler = func() string {
	var seed [32]byte
	random := make([]byte, 96<<10)
	_, _ = rand.NewChaCha8(seed).Read(random)
	return base64.StdEncoding.EncodeToString(random)
}()

// metadata returns n bytes of filler, others for each place.
func metadata(place, n int) string {
	at := place * 401 % (len(filler) - n)
	return filler[at : at+n]
}

// sessionEvent is one step of the n-th session of a room.
func sessionEvent(room, n, step int) event.Event {
	now := time.Now()
	sid := fmt.Sprintf("RM_%05d%07d", room, n)
	place := (n*sessionEvents+step)*7 + room
	e := event.Event{Time: now, Actor: event.ActorClient, Room: &livekit.Room{
		Sid: sid, Name: fmt.Sprint("room", room), EmptyTimeout: 300, DepartureTimeout: 20,
		CreationTime: now.Unix(), CreationTimeMs: now.UnixMilli(), Metadata: metadata(room, 100),
		EnabledCodecs: []*livekit.Codec{{Mime: "audio/opus"}, {Mime: "video/VP8"}, {Mime: "video/H264"}},
	}}
	switch {
	case step == 0:
		e.Name = event.RoomStarted
		return e
	case step == sessionEvents-1:
		e.Name, e.RoomEndReason = event.RoomFinished, livekit.RoomEndReason_ROOM_END_IDLE_TIMEOUT
		return e
	}
	e.Name = event.ParticipantJoined
	who := step - 1
	state := livekit.ParticipantInfo_ACTIVE
	if there := sessionEvents/2 - 1; who >= there {
		e.Name, state = event.ParticipantLeft, livekit.ParticipantInfo_DISCONNECTED
		who -= there
		e.Room.NumParticipants = uint32(there - 1 - who)
	} else {
		e.Room.NumParticipants = uint32(who + 1)
	}
	e.Participant = &livekit.ParticipantInfo{
		Sid: fmt.Sprint("PA_", sid, who), Identity: fmt.Sprint("participant", who), Name: "A Name", State: state,
		JoinedAt: now.Unix(), JoinedAtMs: now.UnixMilli(), Metadata: metadata(place, 300),
		Permission: &livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true, CanPublishData: true},
		Attributes: map[string]string{"plan": "free", "team": "red"},
	}
	return e
}
