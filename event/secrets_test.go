package event_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/rollcall-rtc/rollcall/event"
)

func TestNoSecretIsInABody(t *testing.T) {
	for _, d := range event.Catalogue() {
		if b := body(t, sample(t, d.Name)); bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s holds a secret: %s", d.Name, b)
		}
	}
}

func TestEveryKindOfEgressIsScrubbed(t *testing.T) {
	s3 := &livekit.S3Upload{AccessKey: secret, Secret: secret, SessionToken: secret, AssumeRoleExternalId: secret, Bucket: "b"}
	ali := &livekit.AliOSSUpload{AccessKey: secret, Secret: secret, Bucket: "b"}
	stream := &livekit.StreamOutput{Urls: []string{"mux://" + secret, "rtmp://host/app/" + secret}}
	storage := &livekit.StorageConfig{Provider: &livekit.StorageConfig_AliOSS{AliOSS: ali}}
	for name, info := range map[string]*livekit.EgressInfo{
		"egress": {Request: &livekit.EgressInfo_Egress{Egress: &livekit.StartEgressRequest{
			RoomName: "r", Storage: storage,
			Outputs: []*livekit.Output{
				{Config: &livekit.Output_Stream{Stream: stream}},
				{Storage: &livekit.StorageConfig{Provider: &livekit.StorageConfig_S3{S3: s3}}},
			},
			Webhooks: []*livekit.WebhookConfig{{Url: "https://me:" + secret + "@hooks.example.com/?k=" + secret, SigningKey: "name-of-a-key"}},
		}}},
		"replay": {Request: &livekit.EgressInfo_Replay{Replay: &livekit.ExportReplayRequest{
			Outputs: []*livekit.Output{{Storage: storage}}, Storage: storage,
		}}},
		"web": {Request: &livekit.EgressInfo_Web{Web: &livekit.WebEgressRequest{
			Url:    "https://page.example.com/view?auth=" + secret + "#" + secret,
			Output: &livekit.WebEgressRequest_File{File: &livekit.EncodedFileOutput{Output: &livekit.EncodedFileOutput_AliOSS{AliOSS: ali}}},
		}}},
		"participant": {Request: &livekit.EgressInfo_Participant{Participant: &livekit.ParticipantEgressRequest{
			StreamOutputs: []*livekit.StreamOutput{stream},
		}}},
		"track composite": {Request: &livekit.EgressInfo_TrackComposite{TrackComposite: &livekit.TrackCompositeEgressRequest{
			Output: &livekit.TrackCompositeEgressRequest_Stream{Stream: stream},
		}}},
		"track": {Request: &livekit.EgressInfo_Track{Track: &livekit.TrackEgressRequest{
			Output: &livekit.TrackEgressRequest_WebsocketUrl{WebsocketUrl: "wss://ws.example.com/in?callId=1&token=" + secret},
		}}},
		"track file": {Request: &livekit.EgressInfo_Track{Track: &livekit.TrackEgressRequest{
			Output: &livekit.TrackEgressRequest_File{File: &livekit.DirectFileOutput{Output: &livekit.DirectFileOutput_S3{S3: s3}}},
		}}},
		"results": {
			Result:        &livekit.EgressInfo_Stream{Stream: &livekit.StreamInfoList{Info: []*livekit.StreamInfo{{Url: "rtmp://host/app/" + secret}}}},
			StreamResults: []*livekit.StreamInfo{{Url: "srt://host:1?passphrase=" + secret, Error: "srt://host:1?passphrase=" + secret + " refused"}},
		},
	} {
		e := event.Event{Name: event.EgressUpdated, Time: time.Unix(1_700_000_000, 0), Egress: info}
		b := body(t, e)
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s: %s", name, b)
		}
		if want := proto.Size(info); want > 0 && len(b) < 100 {
			t.Errorf("%s: too much is gone: %s", name, b)
		}
	}
}

func TestScrubbedURLsStillNameTheirDestination(t *testing.T) {
	for in, want := range map[string]string{
		"rtmps://live.example.com/app/key":          "rtmps://live.example.com/app/{redacted}",
		"rtmp://live.example.com:1935/a/b/key?x=y":  "rtmp://live.example.com:1935/a/b/{redacted}?x={redacted}",
		"rtmp://live.example.com":                   "rtmp://live.example.com",
		"RTMP://live.example.com/app/key":           "RTMP://live.example.com/app/{redacted}",
		"twitch://live_123_abc":                     "twitch://{redacted}",
		"mux://a/b":                                 "mux://{redacted}/{redacted}",
		"srt://host:9999?streamid=a&passphrase=b&c": "srt://host:9999?streamid={redacted}&passphrase={redacted}&{redacted}",
		"srt://host:9999":                           "srt://host:9999",
		"https://user:pass@host/p/q?a=&b=1#f":       "https://{redacted}@host/p/q?a=&b={redacted}#{redacted}",
		"https://token@host":                        "https://{redacted}@host",
		"https://host/path/file.mp4":                "https://host/path/file.mp4",
		"s3.example.com:9000":                       "s3.example.com:9000",
		"not a url":                                 "not a url",
		"":                                          "",
	} {
		e := event.Event{Name: event.IngressStarted, Ingress: &livekit.IngressInfo{IngressId: "IN_1", Url: in}}
		r := event.Record{Body: body(t, e)}
		w, err := r.Webhook()
		if err != nil {
			t.Fatal(err)
		}
		if got := w.IngressInfo.Url; got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}

// A new version of the messages can bring new secrets. Each text field in reach
// of a webhook whose name sounds like one must be known here.
func TestFieldsThatSoundSecretAreKnown(t *testing.T) {
	harmless := map[string]bool{
		"livekit.WebhookConfig.signing_key": true, // the name of an API key
		"livekit.S3Upload.metadata":         true,
	}
	seen := make(map[protoreflect.FullName]bool)
	var walk func(protoreflect.MessageDescriptor)
	walk = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] {
			return
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			if m.IsMapEntry() && f.Number() == 1 {
				continue // "key" is what every map's keys are called
			}
			if f.Message() != nil {
				walk(f.Message())
				continue
			}
			if f.Kind() != protoreflect.StringKind && f.Kind() != protoreflect.BytesKind || harmless[string(f.FullName())] {
				continue
			}
			for _, word := range []string{"secret", "password", "passphrase", "token", "credential", "private", "auth", "key"} {
				if strings.Contains(string(f.Name()), word) && !leavesBody(f) {
					t.Errorf("%s sounds secret, and stays in a body", f.FullName())
				}
			}
		}
	}
	walk(new(livekit.WebhookEvent).ProtoReflect().Descriptor())
	if !seen["livekit.S3Upload"] || !seen["livekit.IngressInfo"] {
		t.Errorf("only %d messages were looked at", len(seen))
	}
}

// leavesBody puts the secret into the field of a message within an egress or an
// ingress, or a room, and looks for it in the body.
func leavesBody(f protoreflect.FieldDescriptor) bool {
	for _, e := range []event.Event{
		{Name: event.RoomStarted, Room: new(livekit.Room)},
		{Name: event.EgressStarted, Egress: new(livekit.EgressInfo)},
		{Name: event.IngressStarted, Ingress: new(livekit.IngressInfo)},
		{Name: event.AgentJobStarted, Job: new(livekit.Job)},
	} {
		for _, m := range []proto.Message{e.Room, e.Egress, e.Ingress, e.Job} {
			if !m.ProtoReflect().IsValid() || !plant(m.ProtoReflect(), f, 8) {
				continue
			}
			b, err := e.Body(sampleID)
			return err == nil && !bytes.Contains(b, []byte(secret))
		}
	}
	return false
}

// plant sets the field f, in m or in a message below it, to the secret.
func plant(m protoreflect.Message, f protoreflect.FieldDescriptor, depth int) bool {
	if m.Descriptor().FullName() == f.ContainingMessage().FullName() {
		m.Set(m.Descriptor().Fields().ByName(f.Name()), protoreflect.ValueOfString(secret))
		return true
	}
	if depth == 0 {
		return false
	}
	for i := range m.Descriptor().Fields().Len() {
		child := m.Descriptor().Fields().Get(i)
		if child.Message() == nil || child.IsMap() {
			continue
		}
		if child.IsList() {
			list := m.NewField(child).List()
			element := list.NewElement()
			if plant(element.Message(), f, depth-1) {
				list.Append(element)
				m.Set(child, protoreflect.ValueOfList(list))
				return true
			}
			continue
		}
		value := m.NewField(child)
		if plant(value.Message(), f, depth-1) {
			m.Set(child, value)
			return true
		}
	}
	return false
}
