package room

import (
	"context"
	"maps"
	"strings"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// A new room's settings come, each by itself, from the first of these that has
// one: the CreateRoom, or the roomConfig of the token that makes the room; the
// preset that it names; the server's defaults. Tags are taken from all of them.

// ownTags begin the names of tags that ask the server for something. A join's come
// from a token that a client has, and ask for nothing.
const ownTags = "rollcall."

// createFrom is the CreateRoom that a join stands for.
func createFrom(req *Join) *livekit.CreateRoomRequest {
	create := &livekit.CreateRoomRequest{Name: req.Room, RoomPreset: req.RoomPreset}
	if c := req.RoomConfig; c != nil {
		fill(create, c)
		maps.DeleteFunc(create.Tags, func(name, _ string) bool { return strings.HasPrefix(name, ownTags) })
	}
	return create
}

// withPreset returns the request with what it leaves to the preset that it names.
func (o *Options) withPreset(req *livekit.CreateRoomRequest) (*livekit.CreateRoomRequest, error) {
	if err := o.checkPreset(req.RoomPreset); err != nil || req.RoomPreset == "" {
		return req, err
	}
	full := proto.CloneOf(req)
	fill(full, o.Presets[req.RoomPreset])
	return full, nil
}

// checkPreset says whether there is a preset of that name; none is fine.
func (o *Options) checkPreset(name string) error {
	if _, ok := o.Presets[name]; !ok && name != "" {
		return invalid("room preset %.64q is none of the server's", name)
	}
	return nil
}

// fill sets what the request leaves open.
func fill(req *livekit.CreateRoomRequest, c *livekit.RoomConfiguration) {
	for _, n := range []struct{ to, from *uint32 }{
		{&req.EmptyTimeout, &c.EmptyTimeout}, {&req.DepartureTimeout, &c.DepartureTimeout},
		{&req.MaxParticipants, &c.MaxParticipants},
		{&req.MinPlayoutDelay, &c.MinPlayoutDelay}, {&req.MaxPlayoutDelay, &c.MaxPlayoutDelay},
	} {
		if *n.to == 0 {
			*n.to = *n.from
		}
	}
	if req.Metadata == "" {
		req.Metadata = c.Metadata
	}
	req.SyncStreams = req.SyncStreams || c.SyncStreams
	if req.Egress == nil {
		req.Egress = c.Egress
	}
	if len(req.Agents) == 0 {
		req.Agents = c.Agents
	}
	if len(c.Tags) > 0 {
		tags := maps.Clone(c.Tags)
		maps.Copy(tags, req.Tags)
		req.Tags = tags
	}
}

// checkEgress says why what a new room's configuration has recorded cannot be. That
// is not left to be found out later: a recording would be missing silently.
func (o *Options) checkEgress(ctx context.Context, req *livekit.CreateRoomRequest) error {
	e := req.Egress
	switch {
	case e.GetRoom() == nil && e.GetParticipant() == nil && e.GetTracks() == nil:
		return nil
	case o.CheckEgress == nil:
		return &Error{Unimplemented, "automatic egress is not available here: the room's configuration asks for it"}
	}
	return o.CheckEgress(ctx, e)
}
