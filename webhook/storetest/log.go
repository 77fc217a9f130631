package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/webhook"
)

// Log is a server's event log, and a webhook.Source. Fields are set before use.
type Log struct {
	// Earliest is the Seq of the first event that is not yet deleted; 0 is 1.
	Earliest uint64
	// Page bounds a page, if it is not 0.
	Page int
	// Fail is called before each read; its error is the read's.
	Fail func() error

	events []*webhook.Event
	prev   map[string]uint64
	rooms  map[string]*roomTail
}

type roomTail struct {
	session int
	seq     uint64
}

// Append adds an event and returns it as it is delivered first. Without a room
// it is of an egress.
func (l *Log) Append(name event.Name, room string) *webhook.Event {
	if l.prev == nil {
		l.prev, l.rooms = make(map[string]uint64), make(map[string]*roomTail)
	}
	seq := uint64(len(l.events) + 1)
	tail := l.rooms[room]
	if tail == nil {
		tail = &roomTail{}
		l.rooms[room] = tail
	}
	if name == event.RoomStarted {
		tail.session++
		tail.seq = 0
	}
	at := time.UnixMicro(1_700_000_000_000_000 + int64(seq)*1000).UTC()
	e := event.Event{Name: name, Time: at}
	d := webhook.Delivery{Seq: seq, OccurredAt: at, SentAt: at, Attempt: 1}
	if room != "" {
		tail.seq++
		d.RoomSeq = tail.seq
		e.Room = &livekit.Room{Name: room, Sid: fmt.Sprintf("RM_%s_%d", room, tail.session)}
		e.Participant = &livekit.ParticipantInfo{Sid: "PA_1", Identity: "ana"}
	} else {
		e.Egress = &livekit.EgressInfo{EgressId: "EG_1"}
	}
	w := &livekit.WebhookEvent{Event: string(name), Id: fmt.Sprintf("%08x-0000-7000-8000-%012x", seq, seq), CreatedAt: at.Unix(),
		Room: e.Room, Participant: e.Participant, EgressInfo: e.Egress}
	body, err := e.Body(w.Id)
	if err != nil {
		panic("BUG: body of a test event: " + err.Error())
	}
	stock, _ := event.Lookup(name)
	if stock.Stock {
		d.PrevSeq = l.prev[room]
		l.prev[room] = seq
	}
	ev := &webhook.Event{WebhookEvent: w, Raw: body, APIKey: "devkey", Delivery: d}
	l.events = append(l.events, ev)
	return ev
}

// Random appends n events of the rooms, and of an egress that is in none.
func (l *Log) Random(rnd *rand.Rand, n int, rooms ...string) {
	within := []event.Name{
		event.ParticipantConnecting, event.ParticipantJoined, event.TrackPublished, event.TrackMuted,
		event.TrackUnpublished, event.ParticipantLeft, event.EgressUpdated, event.ParticipantSpoke,
	}
	live := make(map[string]bool)
	for range n {
		if rnd.IntN(12) == 0 {
			l.Append(event.EgressUpdated, "")
			continue
		}
		room := rooms[rnd.IntN(len(rooms))]
		switch {
		case !live[room]:
			l.Append(event.RoomStarted, room)
			live[room] = true
		case rnd.IntN(8) == 0:
			l.Append(event.RoomFinished, room)
			live[room] = false
		default:
			l.Append(within[rnd.IntN(len(within))], room)
		}
	}
}

// Deliveries returns what an endpoint without a filter gets of the log.
func (l *Log) Deliveries() []*webhook.Event {
	var sent []*webhook.Event
	for _, ev := range l.events {
		if d, _ := event.Lookup(event.Name(ev.GetEvent())); d.Stock {
			sent = append(sent, Copy(ev))
		}
	}
	return sent
}

// Copy returns an event that shares nothing that an inbox or its application
// may change.
func Copy(ev *webhook.Event) *webhook.Event {
	c := *ev
	c.WebhookEvent = proto.CloneOf(ev.WebhookEvent)
	return &c
}

// ReadRoom implements webhook.Source.
func (l *Log) ReadRoom(ctx context.Context, room string, after uint64, limit int) ([]*webhook.Event, uint64, error) {
	if l.Fail != nil {
		if err := l.Fail(); err != nil {
			return nil, after, err
		}
	}
	if after > 0 && after+1 < l.Earliest {
		return nil, after, &webhook.ExpiredError{After: after, Earliest: l.Earliest}
	}
	if l.Page > 0 {
		limit = min(limit, l.Page)
	}
	var page []*webhook.Event
	for _, ev := range l.events {
		seq := ev.Delivery.Seq
		if seq <= after || seq < l.Earliest || room != "" && ev.GetRoom().GetName() != room {
			continue
		}
		c := Copy(ev)
		c.Delivery = webhook.Delivery{Seq: seq, RoomSeq: c.Delivery.RoomSeq, OccurredAt: c.Delivery.OccurredAt}
		if page = append(page, c); len(page) == limit {
			return page, seq, nil
		}
	}
	return page, max(after, uint64(len(l.events))), ctx.Err()
}
