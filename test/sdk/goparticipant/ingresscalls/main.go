// Command ingresscalls makes, changes, lists and deletes an ingress endpoint with the Go
// server SDK, with a value in every field, and prints what it was answered, each answer
// on a line, as protojson; then the Twirp code of a call that has to fail.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/twitchtv/twirp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func main() {
	url := flag.String("url", "", "address of the server")
	key := flag.String("key", "", "API key")
	secret := flag.String("secret", "", "API secret")
	room := flag.String("room", "", "name of the room")
	flag.Parse()
	if err := run(context.Background(), lksdk.NewIngressClient(*url, *key, *secret), *room); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c *lksdk.IngressClient, room string) error {
	info, err := c.CreateIngress(ctx, &livekit.CreateIngressRequest{
		InputType: livekit.IngressInput_WHIP_INPUT, Name: "main camera", RoomName: room,
		ParticipantIdentity: "go-encoder", ParticipantName: "Go", ParticipantMetadata: `{"a":1}`,
		EnableTranscoding: proto.Bool(true), Enabled: proto.Bool(true),
		Audio: &livekit.IngressAudioOptions{Name: "desk", Source: livekit.TrackSource_SCREEN_SHARE_AUDIO, EncodingOptions: &livekit.IngressAudioOptions_Options{
			Options: &livekit.IngressAudioEncodingOptions{AudioCodec: livekit.AudioCodec_OPUS, Bitrate: 48_000, DisableDtx: true, Channels: 1},
		}},
		Video: &livekit.IngressVideoOptions{Name: "screen", Source: livekit.TrackSource_SCREEN_SHARE, EncodingOptions: &livekit.IngressVideoOptions_Options{
			Options: &livekit.IngressVideoEncodingOptions{VideoCodec: livekit.VideoCodec_VP8, FrameRate: 25, Layers: []*livekit.VideoLayer{
				{Quality: livekit.VideoQuality_LOW, Width: 320, Height: 180, Bitrate: 150_000},
				{Quality: livekit.VideoQuality_HIGH, Width: 640, Height: 360, Bitrate: 500_000},
			}},
		}},
	})
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := show(info); err != nil {
		return err
	}
	if info, err = c.UpdateIngress(ctx, &livekit.UpdateIngressRequest{
		IngressId: info.IngressId, Name: "other", Enabled: proto.Bool(false),
		Video: &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Preset{Preset: livekit.IngressVideoEncodingPreset_H264_540P_25FPS_2_LAYERS}},
	}); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if err := show(info); err != nil {
		return err
	}
	list, err := c.ListIngress(ctx, &livekit.ListIngressRequest{RoomName: room})
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if err := show(list); err != nil {
		return err
	}
	if info, err = c.DeleteIngress(ctx, &livekit.DeleteIngressRequest{IngressId: info.IngressId}); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := show(info); err != nil {
		return err
	}
	_, err = c.DeleteIngress(ctx, &livekit.DeleteIngressRequest{IngressId: info.IngressId})
	var refused twirp.Error
	if !errors.As(err, &refused) {
		return fmt.Errorf("delete again: %w", err)
	}
	_, err = fmt.Printf("%q\n", refused.Code())
	return err
}

func show(m proto.Message) error {
	line, err := protojson.Marshal(m)
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%s\n", line)
	return err
}
