package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// ingressVerbs are the verbs of rollcall ingress.
var ingressVerbs = []verb{
	{"list", "list ingress endpoints", listIngress},
	{"create", "make an endpoint for an encoder, or fetch from a URL", createIngress},
	{"show", "show an endpoint, and what comes", showIngress},
	{"set", "change an endpoint", setIngress},
	{"delete", "remove an endpoint, and end what comes", deleteIngress},
}

// ingress is the server's Ingress service.
func (c *client) ingress() livekit.Ingress {
	return livekit.NewIngressProtobufClient(c.base, &granted{c, token.Claims{Video: &token.VideoGrant{IngressAdmin: true}}})
}

// ingressStatus is a status in a word.
func ingressStatus(info *livekit.IngressInfo) string {
	return strings.ToLower(strings.TrimPrefix(info.State.GetStatus().String(), "ENDPOINT_"))
}

// ingressInput is the protocol in a word.
func ingressInput(info *livekit.IngressInfo) string {
	return strings.ToLower(strings.TrimSuffix(info.InputType.String(), "_INPUT"))
}

const listIngressAbout = `Lists the ingress endpoints, and how they are. Stream keys are told by show.

  rollcall ingress list --dev`

func listIngress(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	req := &livekit.ListIngressRequest{}
	fs := flag.NewFlagSet("rollcall ingress list", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&req.RoomName, "room", "", "only those of the room of that `name`")
	_, c, err := f.parse(fs, args, env, listIngressAbout)
	if err != nil {
		return err
	}
	list, err := c.ingress().ListIngress(ctx, req)
	if err != nil {
		return said(err)
	}
	if f.json {
		return printProto(env.stdout, list)
	}
	if len(list.Items) == 0 {
		fmt.Fprintln(env.stdout, "There is no ingress endpoint. Make one: rollcall ingress create ROOM IDENTITY")
		return nil
	}
	rows := [][]string{{"ID", "NAME", "INPUT", "ROOM", "IDENTITY", "STATUS", "ERROR"}}
	for _, i := range list.Items {
		rows = append(rows, []string{
			i.IngressId, i.Name, ingressInput(i), i.RoomName, i.ParticipantIdentity, ingressStatus(i), shortened(i.State.GetError(), 60),
		})
	}
	table(env.stdout, rows)
	return nil
}

const createIngressAbout = `Makes an endpoint at which an encoder publishes into a room, as a participant of that
identity. What it prints holds the stream key, which admits whoever has it.

  rollcall ingress create stage obs --dev --name 'main camera'
  rollcall ingress create stage obs --dev --input whip
  rollcall ingress create stage obs --dev --input whip --encode
  rollcall ingress create stage film --dev --from https://example.com/film.mp4`

func createIngress(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	var disabled bool
	req := &livekit.CreateIngressRequest{}
	fs := flag.NewFlagSet("rollcall ingress create", flag.ContinueOnError)
	f.register(fs)
	inputVar(fs, &req.InputType)
	source := fs.String("from", "", "`URL` to fetch from, in place of an encoder that sends")
	fs.StringVar(&req.Name, "name", "", "`name` of the endpoint, for people")
	fs.StringVar(&req.ParticipantName, "participant-name", "", "display `name` of the participant")
	fs.StringVar(&req.ParticipantMetadata, "metadata", "", "the participant's metadata, any `text`")
	fs.BoolVar(&disabled, "disabled", false, "let nobody in until it is enabled")
	sources := ingressSources{fs: fs}
	sources.register()
	values, c, err := f.parse(fs, args, env, createIngressAbout, "ROOM", "IDENTITY")
	if err != nil {
		return err
	}
	req.RoomName, req.ParticipantIdentity = values[0], values[1]
	if *source != "" {
		req.InputType, req.Url = livekit.IngressInput_URL_INPUT, *source
	}
	if disabled {
		enabled := false
		req.Enabled = &enabled
	}
	req.Audio, req.Video, req.EnableTranscoding = sources.audio, sources.video, sources.encode
	info, err := c.ingress().CreateIngress(ctx, req)
	if err != nil {
		return said(err)
	}
	return printIngress(env.stdout, &f, info)
}

func inputVar(fs *flag.FlagSet, field *livekit.IngressInput) {
	fs.Func("input", "`protocol` of the encoder: rtmp (default) or whip", func(text string) error {
		switch strings.ToLower(text) {
		case "rtmp":
			*field = livekit.IngressInput_RTMP_INPUT
		case "whip":
			*field = livekit.IngressInput_WHIP_INPUT
		default:
			return errors.New("want rtmp or whip")
		}
		return nil
	})
}

// ingressSources are the flags for how tracks are published.
type ingressSources struct {
	fs    *flag.FlagSet
	audio *livekit.IngressAudioOptions
	video *livekit.IngressVideoOptions
	// encode says whether what comes is encoded anew; nil: as is usual for the input.
	encode *bool
}

func (s *ingressSources) register() {
	s.fs.Func("preset", "encode video anew, by the `name` of a preset such as h264_720p_30fps_3_layers", func(text string) error {
		n, ok := livekit.IngressVideoEncodingPreset_value[strings.ToUpper(text)]
		if !ok {
			return errors.New("want the name of a preset, such as h264_720p_30fps_3_layers")
		}
		s.videoOptions().EncodingOptions = &livekit.IngressVideoOptions_Preset{Preset: livekit.IngressVideoEncodingPreset(n)}
		return nil
	})
	s.fs.Func("codec", "encode video anew, as large as it comes and smaller, to the `codec` h264 or vp8", func(text string) error {
		codec := livekit.VideoCodec_H264_BASELINE
		switch strings.ToLower(text) {
		case "h264":
		case "vp8":
			codec = livekit.VideoCodec_VP8
		default:
			return errors.New("want h264 or vp8")
		}
		s.videoOptions().EncodingOptions = &livekit.IngressVideoOptions_Options{Options: &livekit.IngressVideoEncodingOptions{VideoCodec: codec}}
		return nil
	})
	s.fs.BoolFunc("encode", "encode what comes by WHIP anew, in layers, or not; of RTMP and URLs it is what has to be", func(text string) error {
		encode, err := strconv.ParseBool(text)
		s.encode = &encode
		return err
	})
	s.fs.BoolFunc("screen", "publish as a shared screen, in place of camera and microphone", func(string) error {
		s.videoOptions().Source = livekit.TrackSource_SCREEN_SHARE
		s.audio = &livekit.IngressAudioOptions{Source: livekit.TrackSource_SCREEN_SHARE_AUDIO}
		return nil
	})
}

func (s *ingressSources) videoOptions() *livekit.IngressVideoOptions {
	if s.video == nil {
		s.video = &livekit.IngressVideoOptions{}
	}
	return s.video
}

// printIngress prints an endpoint, with its key.
func printIngress(w io.Writer, f *clientFlags, info *livekit.IngressInfo) error {
	if f.json {
		return printProto(w, info)
	}
	state := info.State
	enabled := ""
	if info.Enabled != nil && !info.GetEnabled() {
		enabled = "no"
	}
	fields(w, "id", info.IngressId, "name", info.Name, "input", ingressInput(info), "url", info.Url, "stream key", info.StreamKey, "push to", pushTo(info),
		"room", info.RoomName, "identity", info.ParticipantIdentity, "participant name", info.ParticipantName,
		"metadata", info.ParticipantMetadata, "enabled", enabled, "status", ingressStatus(info), "error", state.GetError(),
		"since", nanoTime(state.GetStartedAt()), "ended", nanoTime(state.GetEndedAt()),
		"video", videoIn(state.GetVideo()), "audio", audioIn(state.GetAudio()))
	return nil
}

// pushTo is the URL with the key at its end, for encoders that ask for no more.
func pushTo(info *livekit.IngressInfo) string {
	if info.InputType != livekit.IngressInput_RTMP_INPUT || info.StreamKey == "" {
		return ""
	}
	return info.Url + "/" + info.StreamKey
}

func nanoTime(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).Format(time.DateTime)
}

func videoIn(v *livekit.InputVideoState) string {
	if v == nil {
		return ""
	}
	text := v.MimeType
	if v.Width > 0 {
		text += fmt.Sprintf(", %d × %d", v.Width, v.Height)
	}
	if v.Framerate > 0 {
		text += ", " + strconv.FormatFloat(v.Framerate, 'f', -1, 32) + " frames/s"
	}
	return text + fmt.Sprintf(", %d kbit/s", v.AverageBitrate/1000)
}

func audioIn(a *livekit.InputAudioState) string {
	if a == nil {
		return ""
	}
	return fmt.Sprintf("%s, %d channels, %d Hz, %d kbit/s", a.MimeType, a.Channels, a.SampleRate, a.AverageBitrate/1000)
}

const showIngressAbout = `Shows an endpoint with its stream key, and what comes there now.

  rollcall ingress show IN_sMQrUVzVbHzn --dev`

func showIngress(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall ingress show", flag.ContinueOnError)
	f.register(fs)
	values, c, err := f.parse(fs, args, env, showIngressAbout, "ID")
	if err != nil {
		return err
	}
	list, err := c.ingress().ListIngress(ctx, &livekit.ListIngressRequest{IngressId: values[0]})
	if err != nil {
		return said(err)
	}
	if len(list.Items) == 0 {
		return &apiError{code: "not_found", message: fmt.Sprintf("there is no ingress %q; see rollcall ingress list", values[0])}
	}
	return printIngress(env.stdout, &f, list.Items[0])
}

const setIngressAbout = `Changes an endpoint. What comes there now goes on as it began.

  rollcall ingress set IN_sMQrUVzVbHzn --dev --room other
  rollcall ingress set IN_sMQrUVzVbHzn --dev --enabled=false`

func setIngress(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	req := &livekit.UpdateIngressRequest{}
	fs := flag.NewFlagSet("rollcall ingress set", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&req.Name, "name", "", "`name` of the endpoint, for people")
	fs.StringVar(&req.RoomName, "room", "", "`name` of the room to publish into")
	fs.StringVar(&req.ParticipantIdentity, "identity", "", "`identity` of the participant")
	fs.StringVar(&req.ParticipantName, "participant-name", "", "display `name` of the participant")
	fs.StringVar(&req.ParticipantMetadata, "metadata", "", "the participant's metadata, any `text`")
	fs.BoolFunc("enabled", "let encoders in, or not", func(text string) error {
		enabled, err := strconv.ParseBool(text)
		req.Enabled = &enabled
		return err
	})
	sources := ingressSources{fs: fs}
	sources.register()
	values, c, err := f.parse(fs, args, env, setIngressAbout, "ID")
	if err != nil {
		return err
	}
	req.IngressId, req.Audio, req.Video, req.EnableTranscoding = values[0], sources.audio, sources.video, sources.encode
	info, err := c.ingress().UpdateIngress(ctx, req)
	if err != nil {
		return said(err)
	}
	return printIngress(env.stdout, &f, info)
}

const deleteIngressAbout = `Removes an endpoint. What comes there now ends.

  rollcall ingress delete IN_sMQrUVzVbHzn --dev`

func deleteIngress(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall ingress delete", flag.ContinueOnError)
	f.register(fs)
	values, c, err := f.parse(fs, args, env, deleteIngressAbout, "ID")
	if err != nil {
		return err
	}
	info, err := c.ingress().DeleteIngress(ctx, &livekit.DeleteIngressRequest{IngressId: values[0]})
	if err != nil {
		return said(err)
	}
	if f.json {
		return printProto(env.stdout, info)
	}
	fmt.Fprintf(env.stdout, "%s is gone.\n", info.IngressId)
	return nil
}
