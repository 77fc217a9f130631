package request

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// read reads a request in JSON.
func read(t *testing.T, into proto.Message, js string) (*Request, error) {
	t.Helper()
	if err := protojson.Unmarshal([]byte(js), into); err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	before := proto.Clone(into)
	r, err := Read(into)
	if !proto.Equal(before, into) {
		t.Errorf("%s was changed to %v", js, into)
	}
	return r, err
}

func TestOldAndNewWaysToAskAreRead(t *testing.T) {
	file := []Output{{File: &livekit.FileOutput{Filepath: "a"}}}
	for _, c := range []struct {
		into proto.Message
		js   string
		want Request
	}{
		{&livekit.TrackEgressRequest{}, `{"roomName":"r","trackId":"TR_1","file":{"filepath":"a"}}`,
			Request{Source: Source{Kind: Tracks, Audio: true, Video: true, AudioTrack: "TR_1", Direct: true}}},
		{&livekit.TrackCompositeEgressRequest{}, `{"roomName":"r","audioTrackId":"TR_1","videoTrackId":"TR_2","fileOutputs":[{"filepath":"a"}]}`,
			Request{Source: Source{Kind: Tracks, Audio: true, Video: true, AudioTrack: "TR_1", VideoTrack: "TR_2"}}},
		{&livekit.TrackCompositeEgressRequest{}, `{"roomName":"r","audioTrackId":"TR_1","file":{"filepath":"a"}}`,
			Request{Source: Source{Kind: Tracks, Audio: true, AudioTrack: "TR_1"}}},
		{&livekit.ParticipantEgressRequest{}, `{"roomName":"r","identity":"ana","screenShare":true,"fileOutputs":[{"filepath":"a"}]}`,
			Request{Source: Source{Kind: Participant, Audio: true, Video: true, Identity: "ana", Screen: true}}},
		{&livekit.RoomCompositeEgressRequest{}, `{"roomName":"r","audioOnly":true,"audioMixing":"DUAL_CHANNEL_AGENT","fileOutputs":[{"filepath":"a"}]}`,
			Request{Source: Source{Kind: Room, Audio: true, Mixing: livekit.AudioMixing_DUAL_CHANNEL_AGENT}}},
		{&livekit.StartEgressRequest{}, `{"roomName":"r","template":{"layout":"grid","videoOnly":true},"outputs":[{"file":{"filepath":"a"}}]}`,
			Request{Source: Source{Kind: Room, Video: true, Layout: "grid"}}},
		{&livekit.StartEgressRequest{}, `{"roomName":"r","media":{"videoTrackId":"TR_2","audio":{"routes":[{"trackId":"TR_1"}]}},"outputs":[{"file":{"filepath":"a"}}]}`,
			Request{Source: Source{Kind: Tracks, Audio: true, Video: true, AudioTrack: "TR_1", VideoTrack: "TR_2"}}},
		{&livekit.StartEgressRequest{}, `{"roomName":"r","media":{"participantVideo":{"identity":"ana"},"audio":{"routes":[{"participantIdentity":"ana"}]}},"outputs":[{"file":{"filepath":"a"}}]}`,
			Request{Source: Source{Kind: Participant, Audio: true, Video: true, Identity: "ana"}}},
		{&livekit.StartEgressRequest{}, `{"roomName":"r","media":{"participantVideo":{"identity":"ana"},"audio":{"captureAll":true}},"outputs":[{"file":{"filepath":"a"}}]}`,
			Request{Source: Source{Kind: Media, Audio: true, Video: true, Identity: "ana", Rest: true}}},
		{&livekit.StartEgressRequest{}, `{"roomName":"r","media":{"audio":{"routes":[{"trackId":"TR_1"}]}},"preset":"PASSTHROUGH","outputs":[{"file":{"filepath":"a"}}]}`,
			Request{Source: Source{Kind: Tracks, Audio: true, AudioTrack: "TR_1", Direct: true}}},
		// The preset whose number is 0 is one that was given.
		{&livekit.TrackCompositeEgressRequest{}, `{"roomName":"r","videoTrackId":"TR_2","preset":"H264_720P_30","fileOutputs":[{"filepath":"a"}]}`,
			Request{Source: Source{Kind: Tracks, Video: true, VideoTrack: "TR_2"}, Encoding: &livekit.EncodingOptions{
				Width: 1280, Height: 720, Depth: 24, Framerate: 30, VideoBitrate: 3000, AudioBitrate: 128, AudioFrequency: 44100,
			}}},
		{&livekit.WebEgressRequest{}, `{"url":"https://example.com","preset":"H264_720P_60","fileOutputs":[{"filepath":"a"}]}`,
			Request{Source: Source{Kind: Web, Audio: true, Video: true, URL: "https://example.com"}, Encoding: &livekit.EncodingOptions{
				Width: 1280, Height: 720, Depth: 24, Framerate: 60, VideoBitrate: 4500, AudioBitrate: 128, AudioFrequency: 44100,
			}}},
	} {
		got, err := read(t, c.into, c.js)
		if err != nil {
			t.Errorf("%s: %v", c.js, err)
			continue
		}
		info := &livekit.EgressInfo{}
		got.Describe(info)
		if info.Request == nil || info.RoomName != got.Room {
			t.Errorf("%s is described as %v", c.js, info)
		}
		got.Asked = nil
		if c.want.Outputs = file; c.want.Source.Kind != Web {
			c.want.Room = "r"
		}
		if diff := cmp.Diff(&c.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.js, diff)
		}
	}
}

func TestStorageOfAnOutputComesBeforeThatOfTheRequest(t *testing.T) {
	r, err := read(t, &livekit.StartEgressRequest{}, `{"roomName":"r","template":{},"storage":{"s3":{"bucket":"all"}},"outputs":[
		{"file":{}},{"segments":{},"storage":{"gcp":{"bucket":"own"}}},{"images":{"azure":{"containerName":"older"}}},{"stream":{"urls":["rtmp://h/app/key"]}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outputs[0].Storage.GetS3().GetBucket() != "all" || r.Outputs[1].Storage.GetGcp().GetBucket() != "own" ||
		r.Outputs[2].Storage.GetAzure().GetContainerName() != "older" || r.Outputs[3].Storage != nil {
		t.Errorf("%v", r.Outputs)
	}
}

func TestWhatCannotBeIsRefusedByItsField(t *testing.T) {
	for field, c := range map[string]struct {
		into proto.Message
		js   string
	}{
		"track_id":        {&livekit.TrackEgressRequest{}, `{"roomName":"r","file":{}}`},
		"room_name":       {&livekit.TrackEgressRequest{}, `{"trackId":"t","file":{}}`},
		"output":          {&livekit.TrackEgressRequest{}, `{"roomName":"r","trackId":"t"}`},
		"websocket_url":   {&livekit.TrackEgressRequest{}, `{"roomName":"r","trackId":"t","websocketUrl":"https://example.com"}`},
		"identity":        {&livekit.ParticipantEgressRequest{}, `{"roomName":"r","fileOutputs":[{}]}`},
		"audio_track_id":  {&livekit.TrackCompositeEgressRequest{}, `{"roomName":"r","fileOutputs":[{}]}`},
		"outputs":         {&livekit.ParticipantEgressRequest{}, `{"roomName":"r","identity":"i"}`},
		"file_outputs":    {&livekit.ParticipantEgressRequest{}, `{"roomName":"r","identity":"i","fileOutputs":[{},{}]}`},
		"segment_outputs": {&livekit.ParticipantEgressRequest{}, `{"roomName":"r","identity":"i","segmentOutputs":[{},{}]}`},
		"audio_only":      {&livekit.RoomCompositeEgressRequest{}, `{"roomName":"r","audioOnly":true,"videoOnly":true,"fileOutputs":[{}]}`},
		"image_outputs":   {&livekit.RoomCompositeEgressRequest{}, `{"roomName":"r","audioOnly":true,"imageOutputs":[{}]}`},
		"url":             {&livekit.WebEgressRequest{}, `{"url":"file:///etc/passwd","fileOutputs":[{}]}`},
		"urls":            {&livekit.RoomCompositeEgressRequest{}, `{"roomName":"r","streamOutputs":[{"protocol":"SRT","urls":["rtmp://h/app/key"]}]}`},
		"width":           {&livekit.RoomCompositeEgressRequest{}, `{"roomName":"r","advanced":{"width":641},"fileOutputs":[{}]}`},
		"framerate":       {&livekit.RoomCompositeEgressRequest{}, `{"roomName":"r","advanced":{"framerate":-1},"fileOutputs":[{}]}`},
		"layout":          {&livekit.RoomCompositeEgressRequest{}, `{"roomName":"r","layout":"` + strings.Repeat("l", MaxLayout+1) + `","fileOutputs":[{}]}`},
		"source":          {&livekit.StartEgressRequest{}, `{"roomName":"r","outputs":[{"file":{}}]}`},
		"media":           {&livekit.StartEgressRequest{}, `{"roomName":"r","media":{},"outputs":[{"file":{}}]}`},
		"media.data":      {&livekit.StartEgressRequest{}, `{"roomName":"r","media":{"data":{"captureAll":true}},"outputs":[{"file":{}}]}`},
		"preset":          {&livekit.StartEgressRequest{}, `{"roomName":"r","template":{},"preset":"PASSTHROUGH","outputs":[{"file":{}}]}`},
		"file_type":       {&livekit.StartEgressRequest{}, `{"roomName":"r","template":{},"outputs":[{"file":{"fileType":"MCAP"}}]}`},
	} {
		_, err := read(t, c.into, c.js)
		if e, ok := errors.AsType[*Error](err); !ok || e.Field != field {
			t.Errorf("%s: %v, want it to be about %s", c.js, err, field)
		}
	}
}

func TestNoSecretIsLeft(t *testing.T) {
	r, err := read(t, &livekit.StartEgressRequest{}, `{"roomName":"r","web":{"url":"https://me:SECRET@example.com/a?b=c"},
		"storage":{"s3":{"accessKey":"SECRET","secret":"SECRET","sessionToken":"SECRET","assumeRoleExternalId":"SECRET","bucket":"kept","proxy":{"url":"http://u:SECRET@h","password":"SECRET"}}},
		"outputs":[{"file":{},"storage":{"gcp":{"credentials":"SECRET"}}},{"segments":{"azure":{"accountName":"SECRET","accountKey":"SECRET"}}},
		{"images":{"aliOSS":{"accessKey":"SECRET","secret":"SECRET"}}},
		{"stream":{"urls":["rtmp://h/app/abcSECRETxyz","mux://abcSECRETxyz","srt://h:1?passphrase=SECRET"],"destinations":[{"id":"x","url":"rtmps://u:SECRET@h/app/abcSECRETxyz"}]}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	js := protojson.Format(r.Asked.(proto.Message))
	if strings.Contains(js, "SECRET") {
		t.Error(js)
	}
	for _, want := range []string{"kept", "{access_key}", "{external_id}", "{credentials}", "rtmp://h/app/{abc...xyz}", "mux://{abc...xyz}", "srt://h:1?passphrase={...}"} {
		if !strings.Contains(js, want) {
			t.Errorf("no %s in %s", want, js)
		}
	}
	if r.Outputs[1].Storage.GetAzure().GetAccountKey() != "SECRET" {
		t.Error("the secret is gone where it is needed")
	}
}

func TestKeysOfStreamsAreNotShown(t *testing.T) {
	for in, want := range map[string]string{
		"RTMP://h/app/abcSECRETxyz":                  "RTMP://h/app/{abc...xyz}",
		"rtmps://h:443/app/inner/abcSECRETxyz":       "rtmps://h:443/app/inner/{abc...xyz}",
		"rtmp://h/app/abcSECRETxyz live=1":           "rtmp://h/app/{abc...xyz} live=1",
		"rtmp://h/app/abcSECRET?sign=SECRET/SECxyz":  "rtmp://h/app/{abc...xyz}",
		"rtmp://h/app?token=SECRET/SECRET":           "rtmp://h/app?token={...}",
		"rtmp://h/app?SECRET/SECRET":                 "rtmp://h/app?{...}",
		"rtmp://u:SECRET@SECRET@h/app/abcSECRETxyz":  "rtmp://{user}@h/app/{abc...xyz}",
		"Mux://abcSECRETxyz":                         "Mux://{abc...xyz}",
		"mux://ключSECRETключ":                       "mux://{клю...люч}",
		"rtmp://h/app/äöüäö":                         "rtmp://h/app/{ä...ö}",
		"TWITCH://abcSECRETxyz":                      "TWITCH://{abc...xyz}",
		"SRT://h:1?passphrase=SECRET&mode=caller":    "SRT://h:1?passphrase={...}&mode={...}",
		"srt://u:SECRET@h:1?streamid=SECRET&SECRETS": "srt://{user}@h:1?streamid={...}&{...}",
	} {
		if err := CheckStreamURL(in, livekit.StreamProtocol_DEFAULT_PROTOCOL); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if got := RedactStreamURL(in); got != want {
			t.Errorf("%s is shown as %s, want %s", in, got, want)
		}
	}
}

func TestStreamsThatCannotBe(t *testing.T) {
	long := strings.Repeat("k", MaxURL)
	for _, u := range []string{
		"rtmp://h", "rtmp://h/", "rtmp://h/KEY", "rtmp://h/KEY/", "rtmp://h/app/", "rtmp://h/app/KEY and more", "rtmp://h/my app/KEY", "rtmp://h/KEY?a=b",
		"rtmp://h/app/" + long, "mux://" + long, "twitch://" + long, "mux://", "mux://a b", "srt://h:1?streamid=" + long,
		"srt://h:1?mode=listener", "srt://h:1?latency=1&mode=listener", "srt://h:1?mode=caller&mode=listener", "SRT://h:1?%6dode=listener",
		"srt://h:1?mode=rendezvous", "srt://:1", "srt://h", "srt://h?streamid=x", "srt://h:1#?mode=listener", "srt://h:1?a;mode=listener", "srt://h:1?streamid=a b",
		"file:///etc/passwd", "http://h/app/key", "",
	} {
		if err := CheckStreamURL(u, livekit.StreamProtocol_DEFAULT_PROTOCOL); err == nil {
			t.Errorf("%.64s is taken", u)
		}
	}
}

func TestStreamsHaveSoManyDestinations(t *testing.T) {
	out := &livekit.StreamOutput{Protocol: livekit.StreamProtocol_RTMP}
	req := &livekit.RoomCompositeEgressRequest{RoomName: "r", StreamOutputs: []*livekit.StreamOutput{out}}
	for range MaxStreams {
		out.Urls = append(out.Urls, "rtmp://h/app/key")
	}
	if _, err := Read(req); err != nil {
		t.Error(err)
	}
	out.Urls = append(out.Urls, "rtmp://h/app/key")
	if e, ok := errors.AsType[*Error](func() error { _, err := Read(req); return err }()); !ok || e.Field != "urls" {
		t.Errorf("%v", e)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(uint8(0), []byte(nil))
	raw, _ := proto.Marshal(&livekit.StartEgressRequest{RoomName: "r", Source: &livekit.StartEgressRequest_Media{}, Outputs: []*livekit.Output{{}}})
	f.Add(uint8(0), raw)
	f.Fuzz(func(t *testing.T, kind uint8, raw []byte) {
		all := []proto.Message{
			&livekit.StartEgressRequest{}, &livekit.RoomCompositeEgressRequest{}, &livekit.WebEgressRequest{},
			&livekit.ParticipantEgressRequest{}, &livekit.TrackCompositeEgressRequest{}, &livekit.TrackEgressRequest{},
		}
		req := all[int(kind)%len(all)]
		if proto.Unmarshal(raw, req) != nil {
			return
		}
		if r, err := Read(req); err == nil {
			r.Describe(&livekit.EgressInfo{})
		}
	})
}
