package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// egressVerbs are the verbs of rollcall egress.
var egressVerbs = []verb{
	{"list", "list the recordings that run, and those of the last day", listEgress},
	{"start", "record a track, a participant or a room", startEgress},
	{"stop", "end a recording", stopEgress},
	{"show", "show a recording", showEgress},
}

// egress is the server's Egress to who may record.
func (c *client) egress() livekit.Egress {
	return livekit.NewEgressProtobufClient(c.base, &granted{c, token.Claims{Video: &token.VideoGrant{RoomRecord: true}}})
}

const listEgressAbout = `Lists the recordings that run, and those that ended in the last day.

  rollcall egress list --dev
  rollcall egress list --dev --room demo --active`

func listEgress(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	req := &livekit.ListEgressRequest{}
	fs := flag.NewFlagSet("rollcall egress list", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&req.RoomName, "room", "", "of the room of that `name` only")
	fs.BoolVar(&req.Active, "active", false, "only those that have not ended")
	if err := parseFlags(fs, args, env, listEgressAbout); err != nil {
		return err
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	list, err := c.egress().ListEgress(ctx, req)
	if err != nil {
		return said(err)
	}
	if f.json {
		return printProto(env.stdout, list)
	}
	if len(list.Items) == 0 {
		fmt.Fprintln(env.stdout, "Nothing is recorded. A recording begins by: rollcall egress start ROOM --participant IDENTITY")
		return nil
	}
	rows := [][]string{{"ID", "ROOM", "WHAT", "STATUS", "STARTED", "LENGTH", "WHERE"}}
	for _, info := range list.Items {
		rows = append(rows, []string{
			info.EgressId, info.RoomName, recorded(info), statusWord(info.Status), since(info.StartedAt / int64(time.Second)), recordedFor(info), strings.Join(whereOf(info), " "),
		})
	}
	table(env.stdout, rows)
	return nil
}

// statusWord is a status in a word: complete.
func statusWord(s livekit.EgressStatus) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "EGRESS_"))
}

// recorded is what is recorded, in a few words.
func recorded(info *livekit.EgressInfo) string {
	switch r := info.Request.(type) {
	case *livekit.EgressInfo_Track:
		return "track " + r.Track.TrackId
	case *livekit.EgressInfo_TrackComposite:
		return strings.TrimSpace("tracks " + r.TrackComposite.AudioTrackId + " " + r.TrackComposite.VideoTrackId)
	case *livekit.EgressInfo_Participant:
		return "participant " + r.Participant.Identity
	case *livekit.EgressInfo_RoomComposite:
		if r.RoomComposite.AudioOnly {
			return "room, sound"
		}
		return "room"
	case *livekit.EgressInfo_Web:
		return "page " + r.Web.Url
	case *livekit.EgressInfo_Egress:
		switch r.Egress.Source.(type) {
		case *livekit.StartEgressRequest_Web:
			return "page " + r.Egress.GetWeb().GetUrl()
		case *livekit.StartEgressRequest_Media:
			return "media"
		}
		return "room"
	}
	return ""
}

// recordedFor is how long the longest file is.
func recordedFor(info *livekit.EgressInfo) string {
	longest := int64(0)
	for _, f := range info.FileResults {
		longest = max(longest, f.Duration)
	}
	for _, s := range info.SegmentResults {
		longest = max(longest, s.Duration)
	}
	if longest == 0 {
		return ""
	}
	return time.Duration(longest).Round(100 * time.Millisecond).String()
}

// whereOf is where what is recorded lies, or goes.
func whereOf(info *livekit.EgressInfo) (all []string) {
	for _, f := range info.FileResults {
		all = append(all, f.Location)
	}
	for _, s := range info.SegmentResults {
		all = append(all, s.PlaylistLocation)
	}
	for _, s := range info.StreamResults {
		all = append(all, s.Url)
	}
	return all
}

// printEgress prints a recording, for people or for programs.
func (f *clientFlags) printEgress(env environment, info *livekit.EgressInfo) error {
	if f.json {
		return printProto(env.stdout, info)
	}
	pairs := []string{
		"id", info.EgressId, "room", info.RoomName, "what", recorded(info), "status", statusWord(info.Status),
		"started", since(info.StartedAt/int64(time.Second)) + " ago", "length", recordedFor(info),
	}
	for _, at := range whereOf(info) {
		pairs = append(pairs, "where", at)
	}
	if info.BackupStorageUsed {
		pairs = append(pairs, "backup", "used: the store took nothing in time")
	}
	fields(env.stdout, append(pairs, "manifest", info.ManifestLocation, "details", info.Details, "error", info.Error)...)
	return nil
}

const startEgressAbout = `Begins a recording: of a participant, of a track, or of a whole room. It goes on until
"rollcall egress stop", or until what is recorded ends.

The path is below the server's directory of recordings, and may hold {room_name},
{publisher_identity}, {track_id}, {track_source}, {time} and {utc}.

  rollcall egress start demo --dev --participant ana
  rollcall egress start demo --dev --track TR_VC7qPLkLkFTGTq --path '{room_name}/{time}'
  rollcall egress start demo --dev --layout speaker
  rollcall egress start demo --dev --audio-only --path calls/demo.ogg`

func startEgress(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	var participant, track, path, layout string
	var audioOnly, noManifest bool
	fs := flag.NewFlagSet("rollcall egress start", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&participant, "participant", "", "record whoever has that `identity`, also after a reconnect")
	fs.StringVar(&track, "track", "", "record the track of that `sid`, as it is")
	fs.StringVar(&path, "path", "", "`path` of the file, with words in braces filled in; the server makes one")
	fs.StringVar(&layout, "layout", "", "how a room is laid out: `grid`, speaker or single-speaker")
	fs.BoolVar(&audioOnly, "audio-only", false, "of a room, its sound only")
	fs.BoolVar(&noManifest, "no-manifest", false, "no description beside the file")
	values, c, err := f.parse(fs, args, env, startEgressAbout, "ROOM")
	if err != nil {
		return err
	}
	room := values[0]
	file := []*livekit.EncodedFileOutput{{Filepath: path, DisableManifest: noManifest}}
	var info *livekit.EgressInfo
	switch {
	case participant != "" && track != "", (participant != "" || track != "") && (layout != "" || audioOnly):
		return usageError(errors.New("want one of --participant, --track, or a room with --layout or --audio-only"))
	case participant != "":
		info, err = c.egress().StartParticipantEgress(ctx, &livekit.ParticipantEgressRequest{RoomName: room, Identity: participant, FileOutputs: file})
	case track != "":
		info, err = c.egress().StartTrackEgress(ctx, &livekit.TrackEgressRequest{
			RoomName: room, TrackId: track,
			Output: &livekit.TrackEgressRequest_File{File: &livekit.DirectFileOutput{Filepath: path, DisableManifest: noManifest}},
		})
	default:
		if audioOnly {
			file[0].FileType = livekit.EncodedFileType_OGG
		}
		info, err = c.egress().StartRoomCompositeEgress(ctx, &livekit.RoomCompositeEgressRequest{RoomName: room, Layout: layout, AudioOnly: audioOnly, FileOutputs: file})
	}
	if err != nil {
		return said(err)
	}
	return f.printEgress(env, info)
}

const stopEgressAbout = `Ends a recording. Its file is whole when its status is complete.

  rollcall egress stop EG_7hX2kLmN4pQr --dev`

func stopEgress(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall egress stop", flag.ContinueOnError)
	f.register(fs)
	values, c, err := f.parse(fs, args, env, stopEgressAbout, "ID")
	if err != nil {
		return err
	}
	info, err := c.egress().StopEgress(ctx, &livekit.StopEgressRequest{EgressId: values[0]})
	if err != nil {
		return said(err)
	}
	return f.printEgress(env, info)
}

const showEgressAbout = `Shows a recording that runs, or ended in the last day.

  rollcall egress show EG_7hX2kLmN4pQr --dev`

func showEgress(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall egress show", flag.ContinueOnError)
	f.register(fs)
	values, c, err := f.parse(fs, args, env, showEgressAbout, "ID")
	if err != nil {
		return err
	}
	list, err := c.egress().ListEgress(ctx, &livekit.ListEgressRequest{EgressId: values[0]})
	if err != nil {
		return said(err)
	}
	if len(list.Items) == 0 {
		return &apiError{code: "not_found", message: fmt.Sprintf("egress %q does not exist, or ended more than a day ago", values[0])}
	}
	return f.printEgress(env, list.Items[0])
}
