package room

import (
	"context"
	"errors"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Overview is a room in a line: who is there, and what they send, now.
type Overview struct {
	Name          string    `json:"name"`
	SID           string    `json:"sid"`
	CreatedAt     time.Time `json:"createdAt"`
	Participants  int       `json:"participants"` // joined; agents and recorders too
	Publishers    int       `json:"publishers"`
	Tracks        int       `json:"tracks"`
	Subscriptions int       `json:"subscriptions"`
	Speakers      int       `json:"speakers"`
	Poor          int       `json:"poor"` // participants whose connection is poor or lost
	Recording     bool      `json:"recording"`
	// BitrateIn is what arrives, in bits per second over the last second.
	BitrateIn uint64 `json:"bitrateIn"`
	// OctetsOut of payload were sent for the subscriptions that there are now: it
	// falls when one ends.
	OctetsOut uint64 `json:"-"`
}

// Figures is what a room is like at a moment, beyond what the log tells.
type Figures struct {
	Room          *livekit.Room
	Participants  []Person
	Subscriptions int
}

// Person is a participant at a moment. The sum of its tracks is in Info.
type Person struct {
	Info    *livekit.ParticipantInfo `json:"-"`
	Client  *livekit.ClientInfo      `json:"-"` // what the SDK says of itself; nil if it said nothing
	Signal  bool                     `json:"signal"`
	Resumes int                      `json:"resumes"`
	// Publishes and Receives are its connections; the same one if Single.
	Publishes Transport `json:"publishes"`
	Receives  Transport `json:"receives"`
	Single    bool      `json:"single"`
	// Quality is excellent, good, poor or lost, empty before it is known; Score is
	// from 1 to 5.
	Quality  string  `json:"quality"`
	Score    float32 `json:"score"`
	Speaking bool    `json:"speaking"`
	Level    float32 `json:"level"` // of its voice, from 0 to 1

	Tracks   []TrackFigures `json:"tracks"`
	Receiver []Reception    `json:"-"` // only of those who were asked for
}

// Transport is a peer connection.
type Transport struct {
	State string `json:"state"` // none, or peer.State in words
	// Protocol is udp or tcp, Candidate the type of the client's: host, srflx, prflx
	// or relay. Empty before ICE has chosen.
	Protocol  string `json:"protocol"`
	Candidate string `json:"candidate"`
}

// TrackFigures is a published track.
type TrackFigures struct {
	SID         string         `json:"sid"`
	Subscribers int            `json:"subscribers"`
	Layers      []LayerFigures `json:"layers"` // lowest first; of sound one
}

// LayerFigures is one layer of a track: a stream of its own or, if it is a spatial
// layer inside one, what of the stream is that layer's.
type LayerFigures struct {
	Layer   int    `json:"layer"`
	RID     string `json:"rid"`
	Live    bool   `json:"live"`    // packets arrive
	Wanted  int    `json:"wanted"`  // subscribers for whom it is the highest that they want
	Bitrate uint64 `json:"bitrate"` // bits per second over the last second, headers included

	// Of the stream, since it began; of a layer inside one, the stream's.
	Frames    uint64  `json:"frames"`
	Packets   uint64  `json:"packets"`
	Lost      int64   `json:"lost"`
	NACKs     uint64  `json:"nacks"`
	Recovered uint64  `json:"recovered"`
	PLIs      uint64  `json:"plis"`
	Keyframes uint64  `json:"keyframes"`
	JitterMS  float64 `json:"jitterMs"`
	RTTMS     float64 `json:"rttMs"` // 0 when it is not known
}

// Reception is a track as somebody receives it.
type Reception struct {
	TrackSID   string `json:"trackSid"`
	Publisher  string `json:"publisher"`
	Subscriber string `json:"subscriber"`
	Paused     bool   `json:"paused"`  // by the subscriber's wish
	Starved    bool   `json:"starved"` // by what its connection carries
	Muted      bool   `json:"muted"`
	Layer      int    `json:"layer"` // being sent; -1 while nothing is
	MaxLayer   int    `json:"maxLayer"`
	Allotted   int    `json:"allotted"` // the highest that its connection carries

	Packets       uint64  `json:"packets"`
	Octets        uint64  `json:"octets"`
	NACKs         uint64  `json:"nacks"`
	Retransmitted uint64  `json:"retransmitted"`
	PLIs          uint64  `json:"plis"`
	LossShare     float64 `json:"lossShare"` // of the last report, from 0 to 1
	JitterMS      float64 `json:"jitterMs"`
	RTTMS         float64 `json:"rttMs"`
}

// Overviews returns a line about every room. A room that ends meanwhile is left
// out. It fails when ctx ends.
func (g *Registry) Overviews(ctx context.Context) ([]Overview, error) {
	rooms := g.all()
	lines := make([]Overview, 0, len(rooms))
	for _, r := range rooms {
		var line Overview
		switch _, err := r.do(ctx, func(s *state) { line = s.overview() }); {
		case errors.Is(err, errClosed):
		case err != nil:
			return nil, err
		default:
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// Figures returns what the room is like now, with what those participants receive,
// and others of them, whose identities are in detail. It fails with ErrRoomNotFound.
func (g *Registry) Figures(ctx context.Context, name string, detail ...string) (*Figures, error) {
	r := g.lookup(name)
	if r == nil {
		return nil, ErrRoomNotFound
	}
	f := new(Figures)
	_, err := r.do(ctx, func(s *state) { s.figures(f, detail) })
	if errors.Is(err, errClosed) {
		return nil, ErrRoomNotFound
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (s *state) overview() Overview {
	o := Overview{
		Name: s.settings.Name, SID: s.settings.Sid, CreatedAt: time.UnixMilli(s.settings.CreationTimeMs).UTC(),
		Recording: s.info().ActiveRecording, Tracks: len(s.tracks),
	}
	for _, p := range s.participants {
		if !p.joined {
			continue
		}
		o.Participants++
		if len(p.tracks) > 0 {
			o.Publishers++
		}
		if p.speaking.active {
			o.Speakers++
		}
		if p.wasJudged && p.quality.level != livekit.ConnectionQuality_EXCELLENT && p.quality.level != livekit.ConnectionQuality_GOOD {
			o.Poor++
		}
		for _, t := range p.tracks {
			o.BitrateIn += sum(t.receiver.UpTrack().StreamRates(s.now))
		}
		for _, sub := range p.subscriptions {
			o.Subscriptions++
			o.OctetsOut += sub.sender.DownTrack().Stats().Octets
		}
	}
	return o
}

func sum(rates [uptrack.MaxLayers]uint64) (all uint64) {
	for _, r := range rates {
		all += r
	}
	return all
}

func (s *state) figures(f *Figures, detail []string) {
	f.Room = s.info()
	wanted := make(map[string]bool, len(detail))
	for _, identity := range detail {
		wanted[identity] = true
	}
	subscribers := make(map[string]int)
	for _, p := range s.participants {
		for sid := range p.subscriptions {
			subscribers[sid]++
		}
	}
	for _, p := range s.inOrder {
		person := p.figures()
		for i := range person.Tracks {
			person.Tracks[i].Subscribers = subscribers[person.Tracks[i].SID]
		}
		for _, sub := range p.subscriptions {
			f.Subscriptions++
			if wanted[p.identity] || wanted[sub.track.owner.identity] {
				person.Receiver = append(person.Receiver, sub.figures(p))
			}
		}
		f.Participants = append(f.Participants, person)
	}
}

func (p *participant) figures() Person {
	f := Person{
		Info: p.info(), Client: p.req.Client, Signal: p.sink != nil, Resumes: p.session.resumes, Single: p.duplex != nil,
		Speaking: p.speaking.active, Level: p.speaking.level, Tracks: make([]TrackFigures, 0, len(p.tracks)),
	}
	f.Publishes = transportOf(p.publisher, p.pubState)
	if f.Receives = f.Publishes; p.duplex == nil {
		f.Receives = transportOf(p.subscriber, p.subState)
	}
	if p.wasJudged {
		f.Quality, f.Score = spelled(qualityWords, p.quality.level), p.quality.score
	}
	for _, t := range p.tracks {
		f.Tracks = append(f.Tracks, t.figures(p.state.now))
	}
	return f
}

// routed is a connection that knows how its media travels.
type routed interface {
	Route() (peer.Route, bool)
}

func transportOf(c routed, st peer.State) Transport {
	if c == nil {
		return Transport{State: "none"}
	}
	route, _ := c.Route()
	return Transport{st.String(), route.Protocol, route.Candidate}
}

func (t *track) figures(now time.Time) TrackFigures {
	up := t.receiver.UpTrack()
	stats, live, rates, streams := up.Stats(), up.Live(), up.Rates(now), up.StreamRates(now)
	f := TrackFigures{SID: t.info.Sid, Layers: make([]LayerFigures, 0, len(stats.Layers))}
	for _, l := range stats.Layers {
		f.Layers = append(f.Layers, LayerFigures{
			Layer: l.Layer, RID: l.RID, Live: live&(1<<l.Layer) != 0, Wanted: t.demand.wishes[l.Layer], Bitrate: streams[l.Layer],
			Frames: l.Frames, Packets: l.Packets, Lost: l.Lost, NACKs: l.NACKs, Recovered: l.Recovered, PLIs: l.PLIs,
			Keyframes: l.Keyframes, JitterMS: ms(l.Jitter), RTTMS: ms(l.RTT),
		})
	}
	// Spatial layers inside one stream: each with its own part of the rate.
	if len(f.Layers) == 1 && rates[0] != streams[0] || live > 1 && len(f.Layers) == 1 {
		stream, own := f.Layers[0], up.OwnRates(now)
		f.Layers = f.Layers[:0]
		for i := range uptrack.MaxLayers {
			if live&(1<<i) == 0 {
				continue
			}
			inside := stream
			inside.Layer, inside.Live, inside.Wanted, inside.Bitrate = i, true, t.demand.wishes[i], own[i]
			f.Layers = append(f.Layers, inside)
		}
		if len(f.Layers) == 0 {
			f.Layers = append(f.Layers, stream)
		}
	}
	return f
}

func (sub *subscription) figures(p *participant) Reception {
	st := sub.sender.DownTrack().Stats()
	return Reception{
		TrackSID: sub.track.info.Sid, Publisher: sub.track.owner.identity, Subscriber: p.identity,
		Paused: st.Paused, Starved: st.Starved, Muted: sub.track.info.Muted, Layer: st.Layer, MaxLayer: st.MaxLayer, Allotted: st.Allotted,
		Packets: st.Packets, Octets: st.Octets + st.RetransmittedOctets, NACKs: st.NACKs, Retransmitted: st.Retransmitted, PLIs: st.PLIs,
		LossShare: st.FractionLost, JitterMS: ms(st.Jitter), RTTMS: ms(st.RTT),
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
