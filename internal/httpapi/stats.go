package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rollcall-rtc/rollcall/internal/figures"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// Figures are what the server is like now, beyond what the log tells.
type Figures struct {
	Lobby *figures.Lobby
	Rooms figures.Rooms
	Node  *figures.Watch
	// Started and Version are of the server.
	Started time.Time
	Version string
}

// statsAPI serves /stats: rooms, one room, and the node. Each answers with JSON or,
// for Accept: text/event-stream, with one look a second for as long as somebody
// watches, of which only what changed is sent. An answer that has rates takes a
// second, in which they are measured.
type statsAPI struct {
	figures  *Figures // nil: there are none
	auth     authenticator
	draining <-chan struct{}
}

func (h *statsAPI) routes() []route {
	return []route{
		{"GET", "/stats/rooms", h.rooms},
		{"GET", "/stats/rooms/{room}", h.room},
		{"GET", "/stats/node", h.node},
	}
}

// permit says whether the caller may see figures of room, or of all when it is empty.
func (h *statsAPI) permit(r *http.Request, room func(only string) string) (only string, err error) {
	claims, err := h.auth.bearer(r)
	if err != nil {
		return "", err
	}
	only = claims.EventsRoom()
	if err := claims.CanReadEvents(room(only)); err != nil {
		return "", err
	}
	if h.figures == nil {
		return "", problemf(http.StatusNotFound, "unimplemented", "this server has no figures")
	}
	return only, nil
}

// roomsJSON is all rooms, or those that changed since the message before this.
type roomsJSON struct {
	At   time.Time `json:"at"`
	Full bool      `json:"full"`
	// Rooms are by name; Gone are sids of rooms that have ended.
	Rooms []figures.Line `json:"rooms"`
	Gone  []string       `json:"gone"`
}

func (h *statsAPI) rooms(w http.ResponseWriter, r *http.Request) error {
	only, err := h.permit(r, func(only string) string { return only })
	if err != nil {
		return err
	}
	if !wantsStream(r) { // rates take two looks
		if _, err := h.figures.Lobby.Lines(r.Context()); err != nil {
			return err
		}
		if err := sleep(r.Context(), figures.Interval); err != nil {
			return err
		}
	}
	var known map[string]figures.Line // nil before the first message
	look := func(ctx context.Context) (any, error) {
		lines, err := h.figures.Lobby.Lines(ctx)
		if err != nil {
			return nil, err
		}
		out := roomsJSON{At: lines.At.UTC(), Full: known == nil, Rooms: []figures.Line{}, Gone: []string{}}
		now := make(map[string]figures.Line, len(lines.Rooms))
		for _, line := range lines.Rooms {
			if only != "" && line.Name != only {
				continue
			}
			now[line.SID] = line
			if known[line.SID] != line {
				out.Rooms = append(out.Rooms, line)
			}
		}
		for sid := range known {
			if _, still := now[sid]; !still {
				out.Gone = append(out.Gone, sid)
			}
		}
		known = now
		if !out.Full && len(out.Rooms) == 0 && len(out.Gone) == 0 {
			return nil, nil
		}
		return out, nil
	}
	return h.answer(w, r, "rooms", look)
}

// roomStatsJSON is one room, or those in it who changed since the message before.
type roomStatsJSON struct {
	At   time.Time `json:"at"`
	Full bool      `json:"full"`
	// Live is false when there is no such room now; then the rest is empty.
	Live          bool            `json:"live"`
	Room          json.RawMessage `json:"room"`
	Subscriptions int             `json:"subscriptions"`
	// Order are the sids of those who are there, as they came.
	Order        []string          `json:"order"`
	Participants []json.RawMessage `json:"participants"`
}

// personJSON is a participant in it. Info and Client, which seldom change, are
// absent when they are as in the message before.
type personJSON struct {
	SID    string          `json:"sid"`
	Info   json.RawMessage `json:"info,omitempty"`
	Client json.RawMessage `json:"client,omitempty"`
	figures.Person
	Tracks []figures.Track `json:"tracks"`
	// Reception is what it receives, of and by those who were asked for.
	Reception []figures.Reception `json:"reception"`
}

// toldPerson is what a message told of somebody.
type toldPerson struct {
	info    *livekit.ParticipantInfo
	figures []byte
}

func (h *statsAPI) room(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("room")
	if _, err := h.permit(r, func(string) string { return name }); err != nil {
		return err
	}
	onlooker := figures.NewOnlooker(h.figures.Rooms, name, r.URL.Query()["detail"]...)
	var known map[string]toldPerson // by sid; nil before the first message and while the room is not there
	live := true
	look := func(ctx context.Context) (any, error) {
		seen, err := onlooker.Look(ctx)
		if errors.Is(err, room.ErrRoomNotFound) {
			was := live
			known, live = nil, false
			if !was {
				return nil, nil
			}
			return roomStatsJSON{At: time.Now().UTC(), Full: true, Room: json.RawMessage("null"), Order: []string{}, Participants: []json.RawMessage{}}, nil
		}
		if err != nil {
			return nil, err
		}
		out := roomStatsJSON{
			At: seen.At.UTC(), Full: known == nil, Live: true, Room: protoJSON(seen.Info), Subscriptions: seen.Subscriptions,
			Order: make([]string, 0, len(seen.People)), Participants: []json.RawMessage{},
		}
		now := make(map[string]toldPerson, len(seen.People))
		for i := range seen.People {
			p := &seen.People[i]
			before := known[p.Info.Sid]
			told := personJSON{SID: p.Info.Sid, Person: *p, Tracks: p.Tracks, Reception: p.Reception}
			text, err := json.Marshal(told)
			if err != nil {
				return nil, err
			}
			out.Order, now[p.Info.Sid] = append(out.Order, p.Info.Sid), toldPerson{p.Info, text}
			switch {
			case before.info != p.Info: // it is replaced, never changed
				told.Info, told.Client = protoJSON(p.Info), clientJSON(p.Client)
				if text, err = json.Marshal(told); err != nil {
					return nil, err
				}
			case bytes.Equal(before.figures, text):
				continue
			}
			out.Participants = append(out.Participants, text)
		}
		known, live = now, true
		return out, nil
	}
	if !wantsStream(r) { // rates take two looks
		switch _, err := look(r.Context()); {
		case err != nil:
			return err
		case !live:
			return notFound("there is no room %.80q now", name)
		}
		if err := sleep(r.Context(), figures.Interval); err != nil {
			return err
		}
		known = nil
	}
	return h.answer(w, r, "room", look)
}

// clientJSON is what an SDK says of itself, without what the server adds.
func clientJSON(c *livekit.ClientInfo) json.RawMessage {
	if c == nil {
		return json.RawMessage("null")
	}
	shown := &livekit.ClientInfo{
		Sdk: c.Sdk, Version: c.Version, Protocol: c.Protocol, Os: c.Os, OsVersion: c.OsVersion,
		DeviceModel: c.DeviceModel, Browser: c.Browser, BrowserVersion: c.BrowserVersion, Network: c.Network,
	}
	b, err := protojson.Marshal(shown)
	if err != nil {
		return json.RawMessage("null") // text that is not UTF-8
	}
	return b
}

// nodeJSON is the node: the last minutes in the first message of a stream and in
// an answer, then one look in each.
type nodeJSON struct {
	Version    string    `json:"version"`
	StartedAt  time.Time `json:"startedAt"`
	Processors int       `json:"processors"`
	// History is of the last minutes, oldest first; absent in later messages.
	History []figures.Node `json:"history,omitempty"`
	Now     figures.Node   `json:"now"`
}

func (h *statsAPI) node(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.permit(r, func(string) string { return "" }); err != nil {
		return err
	}
	first := true
	look := func(context.Context) (any, error) {
		out := nodeJSON{Version: h.figures.Version, StartedAt: h.figures.Started.UTC(), Processors: runtime.GOMAXPROCS(0)}
		if first {
			out.History = h.figures.Node.History()
		}
		first = false
		out.Now = h.figures.Node.Now()
		return out, nil
	}
	return h.answer(w, r, "node", look)
}
