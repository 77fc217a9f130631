package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// roomVerbs are the verbs of rollcall room.
var roomVerbs = []verb{
	{"list", "list the rooms", listRooms},
	{"create", "make a room", createRoom},
	{"show", "show a room and who is in it", showRoom},
	{"set", "change a room's metadata", setRoom},
	{"watch", "show a room, and what happens there", watchRoom},
	{"delete", "close a room, for everybody in it", deleteRoom},
}

const listRoomsAbout = `Lists the rooms that are open now.

  rollcall room list --dev`

func listRooms(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall room list", flag.ContinueOnError)
	f.register(fs)
	if err := parseFlags(fs, args, env, listRoomsAbout); err != nil {
		return err
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	list, err := c.rooms(token.VideoGrant{RoomList: true}).ListRooms(ctx, &livekit.ListRoomsRequest{})
	if err != nil {
		return said(err)
	}
	if f.json {
		return printProto(env.stdout, list)
	}
	if len(list.Rooms) == 0 {
		fmt.Fprintln(env.stdout, "No room is open. One opens when somebody joins it, or by: rollcall room create NAME")
		return nil
	}
	rows := [][]string{{"NAME", "SID", "PARTICIPANTS", "PUBLISHERS", "OPEN FOR", "METADATA"}}
	for _, r := range list.Rooms {
		rows = append(rows, []string{r.Name, r.Sid, headcount(r), strconv.FormatUint(uint64(r.NumPublishers), 10), since(r.CreationTime), shortened(r.Metadata, 40)})
	}
	table(env.stdout, rows)
	return nil
}

// headcount is how many participants a room has, of how many it may have.
func headcount(r *livekit.Room) string {
	if r.MaxParticipants == 0 {
		return strconv.FormatUint(uint64(r.NumParticipants), 10)
	}
	return fmt.Sprintf("%d of %d", r.NumParticipants, r.MaxParticipants)
}

// since is how long ago a time in Unix seconds was.
func since(unix int64) string {
	if unix == 0 {
		return ""
	}
	return max(0, time.Since(time.Unix(unix, 0))).Truncate(time.Second).String()
}

// shortened is text on one line, in at most n characters.
func shortened(text string, n int) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}

const createRoomAbout = `Makes a room before anybody joins it. If it is open already, it stays as it is.

  rollcall room create demo --dev --empty-timeout 10m --max-participants 20
  rollcall room create demo --dev --agent greeter`

func createRoom(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	req := &livekit.CreateRoomRequest{}
	fs := flag.NewFlagSet("rollcall room create", flag.ContinueOnError)
	f.register(fs)
	secondsVar(fs, "empty-timeout", "`time` after which the room closes if nobody joins (default the server's)", &req.EmptyTimeout)
	secondsVar(fs, "departure-timeout", "`time` after which the room closes when the last participant has left", &req.DepartureTimeout)
	fs.Func("max-participants", "how `many` may be in it; 0 is no limit", func(text string) error {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return errors.New("want a number")
		}
		req.MaxParticipants = uint32(n)
		return nil
	})
	fs.StringVar(&req.Metadata, "metadata", "", "the room's metadata, any `text`")
	fs.StringVar(&req.RoomPreset, "preset", "", "`name` of a preset of the server's configuration")
	pairsVar(fs, "tag", "tag `name=value` of the room, which endpoints can filter by; may be repeated", &req.Tags)
	fs.Func("agent", "`name` of an agent to dispatch to the room; may be repeated", func(text string) error {
		req.Agents = append(req.Agents, &livekit.RoomAgentDispatch{AgentName: text})
		return nil
	})
	values, c, err := f.parse(fs, args, env, createRoomAbout, "ROOM")
	if err != nil {
		return err
	}
	req.Name = values[0]
	r, err := c.rooms(token.VideoGrant{RoomCreate: true, RoomAdmin: true, Room: req.Name}).CreateRoom(ctx, req)
	if err != nil {
		return said(err)
	}
	if f.json {
		return printProto(env.stdout, r)
	}
	printRoom(env.stdout, r)
	return nil
}

// secondsVar is a flag with a time that the API has in seconds.
func secondsVar(fs *flag.FlagSet, name, usage string, field *uint32) {
	fs.Func(name, usage, func(text string) error {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > math.MaxUint32*time.Second {
			return errors.New("want a time such as 90s or 10m")
		}
		*field = uint32(d / time.Second)
		return nil
	})
}

// pairsVar is a flag of names with values.
func pairsVar(fs *flag.FlagSet, name, usage string, field *map[string]string) {
	fs.Func(name, usage, func(text string) error {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return errors.New("want name=value")
		}
		if *field == nil {
			*field = make(map[string]string)
		}
		(*field)[key] = value
		return nil
	})
}

func printRoom(w io.Writer, r *livekit.Room) {
	fields(w, "name", r.Name, "sid", r.Sid, "open for", since(r.CreationTime), "participants", headcount(r),
		"publishers", strconv.FormatUint(uint64(r.NumPublishers), 10),
		"empty timeout", seconds(r.EmptyTimeout), "departure timeout", seconds(r.DepartureTimeout), "metadata", r.Metadata)
}

func seconds(n uint32) string { return (time.Duration(n) * time.Second).String() }

// room returns an open room.
func (c *client) room(ctx context.Context, name string) (*livekit.Room, error) {
	list, err := c.rooms(token.VideoGrant{RoomList: true}).ListRooms(ctx, &livekit.ListRoomsRequest{Names: []string{name}})
	if err != nil {
		return nil, said(err)
	}
	if len(list.Rooms) == 0 {
		return nil, fmt.Errorf("no room %q is open; see rollcall room list", name)
	}
	return list.Rooms[0], nil
}

const showRoomAbout = `Shows a room that is open, and who is in it.

  rollcall room show demo --dev`

func showRoom(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall room show", flag.ContinueOnError)
	f.register(fs)
	values, c, err := f.parse(fs, args, env, showRoomAbout, "ROOM")
	if err != nil {
		return err
	}
	r, err := c.room(ctx, values[0])
	if err != nil {
		return err
	}
	if f.json {
		return printProto(env.stdout, r)
	}
	return c.printRoomWithPeople(ctx, r, env.stdout)
}

// printRoomWithPeople prints a room and who is in it.
func (c *client) printRoomWithPeople(ctx context.Context, r *livekit.Room, w io.Writer) error {
	printRoom(w, r)
	list, err := c.admin(r.Name).ListParticipants(ctx, &livekit.ListParticipantsRequest{Room: r.Name})
	if err != nil {
		return said(err)
	}
	if len(list.Participants) > 0 {
		fmt.Fprintln(w)
		printParticipants(w, list.Participants)
	}
	return nil
}

const setRoomAbout = `Changes the metadata of a room that is open.

  rollcall room set demo --dev --metadata '{"topic":"plans"}'`

func setRoom(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	var metadata *string
	fs := flag.NewFlagSet("rollcall room set", flag.ContinueOnError)
	f.register(fs)
	textVar(fs, "metadata", "the room's metadata, any `text`", &metadata)
	values, err := parseArgs(fs, args, env, setRoomAbout, "ROOM")
	if err != nil {
		return err
	}
	if metadata == nil {
		return usageError(errors.New("there is nothing to change: want --metadata"))
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	r, err := c.admin(values[0]).UpdateRoomMetadata(ctx, &livekit.UpdateRoomMetadataRequest{Room: values[0], Metadata: *metadata})
	if err != nil {
		return said(err)
	}
	if f.json {
		return printProto(env.stdout, r)
	}
	printRoom(env.stdout, r)
	return nil
}

// textVar is a flag that may be left out, and empty.
func textVar(fs *flag.FlagSet, name, usage string, field **string) {
	fs.Func(name, usage, func(text string) error {
		*field = &text
		return nil
	})
}

const watchRoomAbout = `Shows a room and who is in it, and then each event of the room as it is
committed, until it is interrupted. The room need not be open yet.

  rollcall room watch demo --dev`

func watchRoom(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall room watch", flag.ContinueOnError)
	f.register(fs)
	values, c, err := f.parse(fs, args, env, watchRoomAbout, "ROOM")
	if err != nil {
		return err
	}
	// From here on no event is missed, though one may be told that shows already.
	rd := reading{room: values[0]}
	if rd.after, err = c.last(ctx); err != nil {
		return err
	}
	say := func(text string) { fmt.Fprintln(env.stderr, "rollcall:", text) }
	if !f.json {
		if err := c.introduce(ctx, values[0], env.stdout); err != nil {
			return err
		}
		say("waiting for events of " + values[0] + "; Ctrl-C ends this")
	}
	s := styleFor(env.stdout, env.environ)
	return c.follow(ctx, &rd, say, func(r *record, line []byte) error {
		if f.json {
			fmt.Fprintf(env.stdout, "%s\n", line)
		} else {
			fmt.Fprintln(env.stdout, r.line(s))
		}
		return nil
	})
}

// introduce prints a room and who is in it, or that it is not open.
func (c *client) introduce(ctx context.Context, name string, w io.Writer) error {
	list, err := c.rooms(token.VideoGrant{RoomList: true}).ListRooms(ctx, &livekit.ListRoomsRequest{Names: []string{name}})
	if err != nil {
		return said(err)
	}
	if len(list.Rooms) == 0 {
		fmt.Fprintf(w, "%s is not open.\n", name)
		return nil
	}
	if err := c.printRoomWithPeople(ctx, list.Rooms[0], w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return nil
}

const deleteRoomAbout = `Closes a room: everybody in it is disconnected.

  rollcall room delete demo --dev`

func deleteRoom(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall room delete", flag.ContinueOnError)
	f.register(fs)
	values, c, err := f.parse(fs, args, env, deleteRoomAbout, "ROOM")
	if err != nil {
		return err
	}
	if _, err := c.rooms(token.VideoGrant{RoomCreate: true}).DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: values[0]}); err != nil {
		return said(err)
	}
	return f.tell(env, values[0]+" is closed.")
}
