package figures

import (
	"context"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/room"
)

// Room is one room at a moment.
type Room struct {
	At            time.Time
	Info          *livekit.Room
	Subscriptions int
	People        []Person
}

// Person is a participant, with rates.
type Person struct {
	room.Person
	Tracks    []Track     `json:"-"`
	Reception []Reception `json:"-"`
}

// Track is a published track, with rates.
type Track struct {
	SID         string  `json:"sid"`
	Subscribers int     `json:"subscribers"`
	Layers      []Layer `json:"layers"`
}

// Layer is a layer of it.
type Layer struct {
	room.LayerFigures
	// FPS is frames a second since the look before this; 0 in the first one.
	FPS float64 `json:"fps"`
	// LossShare is of the packets since then, from 0 to 1.
	LossShare float64 `json:"lossShareIn"`
}

// Reception is a track on its way to somebody, with its rate.
type Reception struct {
	room.Reception
	// Bitrate is payload, in bits per second since the look before this.
	Bitrate uint64 `json:"bitrate"`
}

// Onlooker looks at one room again and again, for one who watches it. It belongs
// to whoever made it.
type Onlooker struct {
	rooms  Rooms    // immutable
	name   string   // immutable
	detail []string // immutable

	at     time.Time
	layers map[layerKey]layerCount
	sent   map[sentKey]uint64 // octets
}

type layerKey struct {
	track string
	layer int
}

type layerCount struct {
	frames, packets uint64
	lost            int64
}

type sentKey struct{ track, subscriber string }

// NewOnlooker returns one for the room, who sees what those with the identities in
// detail receive, and what others receive of them.
func NewOnlooker(rooms Rooms, name string, detail ...string) *Onlooker {
	return &Onlooker{rooms: rooms, name: name, detail: detail}
}

// Look returns what the room is like now, with rates since the last look. It fails
// with room.ErrRoomNotFound.
func (o *Onlooker) Look(ctx context.Context) (*Room, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seen, err := o.rooms.Figures(ctx, o.name, o.detail...)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	passed := now.Sub(o.at)
	layers, sent := make(map[layerKey]layerCount), make(map[sentKey]uint64)
	r := &Room{At: now, Info: seen.Room, Subscriptions: seen.Subscriptions, People: make([]Person, 0, len(seen.Participants))}
	for _, p := range seen.Participants {
		person := Person{Person: p, Tracks: make([]Track, 0, len(p.Tracks)), Reception: make([]Reception, 0, len(p.Receiver))}
		for _, t := range p.Tracks {
			track := Track{SID: t.SID, Subscribers: t.Subscribers, Layers: make([]Layer, 0, len(t.Layers))}
			for _, l := range t.Layers {
				key, count := layerKey{t.SID, l.Layer}, layerCount{l.Frames, l.Packets, l.Lost}
				layers[key] = count
				track.Layers = append(track.Layers, o.layer(key, l, passed))
			}
			person.Tracks = append(person.Tracks, track)
		}
		for _, d := range p.Receiver {
			key := sentKey{d.TrackSID, d.Subscriber}
			sent[key] = d.Octets
			rx := Reception{Reception: d}
			if before, known := o.sent[key]; known && passed < kept && d.Octets > before {
				rx.Bitrate = rate(d.Octets-before, passed)
			}
			person.Reception = append(person.Reception, rx)
		}
		r.People = append(r.People, person)
	}
	o.at, o.layers, o.sent = now, layers, sent
	return r, nil
}

// layer is l with its rates since the last look.
func (o *Onlooker) layer(key layerKey, l room.LayerFigures, passed time.Duration) Layer {
	out := Layer{LayerFigures: l}
	before, known := o.layers[key]
	if !known || passed <= 0 || passed >= kept || l.Frames < before.frames || l.Packets < before.packets {
		return out
	}
	out.FPS = float64(l.Frames-before.frames) / passed.Seconds()
	if lost, came := l.Lost-before.lost, int64(l.Packets-before.packets); lost > 0 {
		out.LossShare = float64(lost) / float64(lost+came)
	}
	return out
}
