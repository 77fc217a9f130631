package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// participantVerbs are the verbs of rollcall participant.
var participantVerbs = []verb{
	{"list", "list who is in a room", listParticipants},
	{"show", "show one participant", showParticipant},
	{"update", "change name, metadata, attributes or permissions", updateParticipant},
	{"mute", "mute or unmute tracks", muteParticipant},
	{"move", "move a participant to another room", moveParticipant},
	{"forward", "show a participant in another room as well", forwardParticipant},
	{"remove", "disconnect a participant", removeParticipant},
}

const listParticipantsAbout = `Lists who is in a room.

  rollcall participant list demo --dev`

func listParticipants(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall participant list", flag.ContinueOnError)
	f.register(fs)
	values, c, err := f.parse(fs, args, env, listParticipantsAbout, "ROOM")
	if err != nil {
		return err
	}
	list, err := c.admin(values[0]).ListParticipants(ctx, &livekit.ListParticipantsRequest{Room: values[0]})
	if err != nil {
		return said(err)
	}
	if f.json {
		return printProto(env.stdout, list)
	}
	if len(list.Participants) == 0 {
		fmt.Fprintf(env.stdout, "Nobody is in %s.\n", values[0])
		return nil
	}
	printParticipants(env.stdout, list.Participants)
	return nil
}

func printParticipants(w io.Writer, list []*livekit.ParticipantInfo) {
	rows := [][]string{{"IDENTITY", "NAME", "STATE", "KIND", "FOR", "TRACKS"}}
	for _, p := range list {
		var tracks []string
		for _, t := range p.Tracks {
			tracks = append(tracks, trackText(t))
		}
		rows = append(rows, []string{p.Identity, p.Name, lower(p.State), lower(p.Kind), since(p.JoinedAt), strings.Join(tracks, ", ")})
	}
	table(w, rows)
}

// lower is a value of an enumeration in words.
func lower(v fmt.Stringer) string { return strings.ReplaceAll(strings.ToLower(v.String()), "_", " ") }

func trackText(t *livekit.TrackInfo) string {
	text := lower(t.Source)
	if t.Source == livekit.TrackSource_UNKNOWN {
		text = lower(t.Type)
	}
	if t.Muted {
		text += " (muted)"
	}
	return text
}

const showParticipantAbout = `Shows a participant and the tracks it publishes.

  rollcall participant show demo ana --dev`

func showParticipant(ctx context.Context, args []string, env environment) error {
	return aboutParticipant(ctx, args, env, "show", showParticipantAbout, nil,
		func(ctx context.Context, rooms livekit.RoomService, who *livekit.RoomParticipantIdentity) (*livekit.ParticipantInfo, error) {
			return rooms.GetParticipant(ctx, who)
		})
}

// aboutParticipant runs a verb of one participant that prints how it is then.
func aboutParticipant(ctx context.Context, args []string, env environment, verb, about string, register func(*flag.FlagSet),
	run func(context.Context, livekit.RoomService, *livekit.RoomParticipantIdentity) (*livekit.ParticipantInfo, error)) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall participant "+verb, flag.ContinueOnError)
	f.register(fs)
	if register != nil {
		register(fs)
	}
	values, c, err := f.parse(fs, args, env, about, "ROOM", "IDENTITY")
	if err != nil {
		return err
	}
	p, err := run(ctx, c.admin(values[0]), &livekit.RoomParticipantIdentity{Room: values[0], Identity: values[1]})
	if err != nil {
		return said(err)
	}
	if f.json {
		return printProto(env.stdout, p)
	}
	printParticipant(env.stdout, p)
	return nil
}

func printParticipant(w io.Writer, p *livekit.ParticipantInfo) {
	fields(w, "identity", p.Identity, "name", p.Name, "sid", p.Sid, "state", lower(p.State), "kind", lower(p.Kind),
		"joined", clock(time.Unix(p.JoinedAt, 0)), "metadata", p.Metadata, "attributes", tagsText(p.Attributes), "may", permissionText(p.Permission))
	if len(p.Tracks) == 0 {
		return
	}
	rows := [][]string{{"TRACK", "SOURCE", "NAME", "CODEC", "SIZE", "LAYERS", "STATE"}}
	for _, t := range p.Tracks {
		size, state := "", "live"
		if t.Width > 0 {
			size = fmt.Sprintf("%d×%d", t.Width, t.Height)
		}
		if t.Muted {
			state = "muted"
		}
		var layers []string
		for _, l := range t.Layers {
			layers = append(layers, lower(l.Quality))
		}
		rows = append(rows, []string{t.Sid, trackText(t), t.Name, t.MimeType, size, strings.Join(layers, " "), state})
	}
	fmt.Fprintln(w)
	table(w, rows)
}

func permissionText(p *livekit.ParticipantPermission) string {
	var may []string
	for _, one := range []struct {
		has  bool
		what string
	}{
		{p.GetCanPublish(), "publish"}, {p.GetCanPublishData(), "send data"}, {p.GetCanSubscribe(), "subscribe"},
		{p.GetCanUpdateMetadata(), "update itself"}, {p.GetHidden(), "be hidden"},
	} {
		if one.has {
			may = append(may, one.what)
		}
	}
	if len(may) == 0 {
		return "nothing"
	}
	return strings.Join(may, ", ")
}

const updateParticipantAbout = `Changes what is known of a participant, or what it may do. What is not named
stays; an attribute without a value goes.

  rollcall participant update demo ana --dev --name Ana --attribute hand=raised
  rollcall participant update demo ana --dev --can-publish=false`

func updateParticipant(ctx context.Context, args []string, env environment) error {
	var name, metadata *string
	var attributes map[string]string
	var may []func(*livekit.ParticipantPermission)
	return aboutParticipant(ctx, args, env, "update", updateParticipantAbout, func(fs *flag.FlagSet) {
		textVar(fs, "name", "its display `name`", &name)
		textVar(fs, "metadata", "its metadata, any `text`", &metadata)
		pairsVar(fs, "attribute", "attribute `name=value`; may be repeated", &attributes)
		for flagName, set := range map[string]func(*livekit.ParticipantPermission, bool){
			"can-publish":             func(p *livekit.ParticipantPermission, v bool) { p.CanPublish = v },
			"can-publish-data":        func(p *livekit.ParticipantPermission, v bool) { p.CanPublishData = v },
			"can-subscribe":           func(p *livekit.ParticipantPermission, v bool) { p.CanSubscribe = v },
			"can-update-own-metadata": func(p *livekit.ParticipantPermission, v bool) { p.CanUpdateMetadata = v },
		} {
			fs.BoolFunc(flagName, "whether it "+strings.ReplaceAll(flagName, "-", " "), func(text string) error {
				if text != "true" && text != "false" {
					return errors.New("want true or false")
				}
				may = append(may, func(p *livekit.ParticipantPermission) { set(p, text == "true") })
				return nil
			})
		}
	}, func(ctx context.Context, rooms livekit.RoomService, who *livekit.RoomParticipantIdentity) (*livekit.ParticipantInfo, error) {
		req := &livekit.UpdateParticipantRequest{Room: who.Room, Identity: who.Identity, Attributes: attributes}
		if name == nil && metadata == nil && len(attributes) == 0 && len(may) == 0 {
			return nil, usageError(errors.New("there is nothing to change; see rollcall participant update --help"))
		}
		// The API takes an empty name or metadata for one that is to stay.
		if name != nil {
			if *name == "" {
				return nil, usageError(errors.New("--name cannot be empty: the server's API takes that for no change"))
			}
			req.Name = *name
		}
		if metadata != nil {
			if *metadata == "" {
				return nil, usageError(errors.New("--metadata cannot be empty: the server's API takes that for no change"))
			}
			req.Metadata = *metadata
		}
		if len(may) > 0 {
			// Permissions are set as a whole.
			now, err := rooms.GetParticipant(ctx, who)
			if err != nil {
				return nil, err
			}
			req.Permission = &livekit.ParticipantPermission{}
			if now.Permission != nil {
				req.Permission = proto.CloneOf(now.Permission)
			}
			for _, set := range may {
				set(req.Permission)
			}
		}
		return rooms.UpdateParticipant(ctx, req)
	})
}

const muteParticipantAbout = `Mutes a participant's tracks: the one named by its sid, those of a source, or
all. To unmute, the server must allow it (room.enable_remote_unmute).

  rollcall participant mute demo ana --dev --source microphone
  rollcall participant mute demo ana --dev --track TR_AM5x --unmute`

func muteParticipant(ctx context.Context, args []string, env environment) error {
	var sid, source string
	var unmute bool
	return aboutParticipant(ctx, args, env, "mute", muteParticipantAbout, func(fs *flag.FlagSet) {
		fs.StringVar(&sid, "track", "", "`sid` of the track")
		fs.StringVar(&source, "source", "", "`source` of the tracks: "+strings.Join(sources(), ", "))
		fs.BoolVar(&unmute, "unmute", false, "unmute instead")
	}, func(ctx context.Context, rooms livekit.RoomService, who *livekit.RoomParticipantIdentity) (*livekit.ParticipantInfo, error) {
		if source != "" && !slices.Contains(sources(), source) {
			return nil, usageError(fmt.Errorf("--source %q: want one of %s", source, strings.Join(sources(), ", ")))
		}
		p, err := rooms.GetParticipant(ctx, who)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, t := range p.Tracks {
			if sid != "" && t.Sid != sid || source != "" && strings.ToLower(t.Source.String()) != source {
				continue
			}
			n++
			if t.Muted != unmute {
				continue
			}
			_, err := rooms.MutePublishedTrack(ctx, &livekit.MuteRoomTrackRequest{Room: who.Room, Identity: who.Identity, TrackSid: t.Sid, Muted: !unmute})
			if err != nil {
				return nil, err
			}
		}
		if n == 0 {
			return nil, fmt.Errorf("%s publishes no such track; see rollcall participant show %s %s", who.Identity, who.Room, who.Identity)
		}
		return rooms.GetParticipant(ctx, who)
	})
}

// sources are the sources of tracks, as tokens and flags name them.
func sources() []string {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(livekit.TrackSource_name)) {
		if n != int32(livekit.TrackSource_UNKNOWN) {
			names = append(names, strings.ToLower(livekit.TrackSource_name[n]))
		}
	}
	return names
}

const moveParticipantAbout = `Moves a participant to another room, without a new connection.

  rollcall participant move lobby ana stage --dev`

func moveParticipant(ctx context.Context, args []string, env environment) error {
	return toRoom(ctx, args, env, "move", moveParticipantAbout, "is in",
		func(ctx context.Context, rooms livekit.RoomService, room, identity, to string) error {
			_, err := rooms.MoveParticipant(ctx, &livekit.MoveParticipantRequest{Room: room, Identity: identity, DestinationRoom: to})
			return err
		})
}

const forwardParticipantAbout = `Shows a participant and its tracks in another room as well, as long as it is in
its own.

  rollcall participant forward stage ana overflow --dev`

func forwardParticipant(ctx context.Context, args []string, env environment) error {
	return toRoom(ctx, args, env, "forward", forwardParticipantAbout, "is shown in",
		func(ctx context.Context, rooms livekit.RoomService, room, identity, to string) error {
			_, err := rooms.ForwardParticipant(ctx, &livekit.ForwardParticipantRequest{Room: room, Identity: identity, DestinationRoom: to})
			return err
		})
}

func toRoom(ctx context.Context, args []string, env environment, verb, about, result string,
	run func(ctx context.Context, rooms livekit.RoomService, room, identity, to string) error) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall participant "+verb, flag.ContinueOnError)
	f.register(fs)
	values, c, err := f.parse(fs, args, env, about, "ROOM", "IDENTITY", "TO")
	if err != nil {
		return err
	}
	room, identity, to := values[0], values[1], values[2]
	rooms := c.rooms(token.VideoGrant{RoomAdmin: true, Room: room, DestinationRoom: to})
	if err := run(ctx, rooms, room, identity, to); err != nil {
		return said(err)
	}
	return f.tell(env, fmt.Sprintf("%s %s %s.", identity, result, to))
}

// tell says that something was done, which with --json is an empty object.
func (f *clientFlags) tell(env environment, text string) error {
	if f.json {
		text = "{}"
	}
	_, err := fmt.Fprintln(env.stdout, text)
	return err
}

const removeParticipantAbout = `Disconnects a participant. Its token does not let it in again.

  rollcall participant remove demo ana --dev`

func removeParticipant(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall participant remove", flag.ContinueOnError)
	f.register(fs)
	values, c, err := f.parse(fs, args, env, removeParticipantAbout, "ROOM", "IDENTITY")
	if err != nil {
		return err
	}
	if _, err := c.admin(values[0]).RemoveParticipant(ctx, &livekit.RoomParticipantIdentity{Room: values[0], Identity: values[1]}); err != nil {
		return said(err)
	}
	return f.tell(env, values[1]+" is removed.")
}
