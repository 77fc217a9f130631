package event_test

import (
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// sampleID is the id of every sample.
const sampleID = "0190163d-8694-739b-aea5-966c26f8ad91"

// secret is part of each secret in the samples, and of nothing else.
const secret = "S3CRET"

func sampleRoom() *livekit.Room {
	return &livekit.Room{
		Sid: "RM_hvYuLGxcXyZB", Name: "daily-standup", EmptyTimeout: 300, DepartureTimeout: 20, MaxParticipants: 12,
		CreationTime: 1_700_000_000, CreationTimeMs: 1_700_000_000_123, TurnPassword: secret + "turn",
		EnabledCodecs: []*livekit.Codec{{Mime: "audio/opus"}, {Mime: "video/VP8"}},
		Metadata:      `{"team":"caf\u00e9 <&>"}`, NumParticipants: 2, NumPublishers: 1,
	}
}

func sampleParticipant() *livekit.ParticipantInfo {
	return &livekit.ParticipantInfo{
		Sid: "PA_pTGMLVRHzKsL", Identity: "anna", Name: "Anna Ä", State: livekit.ParticipantInfo_ACTIVE,
		Metadata: "about anna", JoinedAt: 1_700_000_001, JoinedAtMs: 1_700_000_001_456, Version: 3,
		Permission: &livekit.ParticipantPermission{CanSubscribe: true, CanPublish: true, CanPublishData: true,
			CanPublishSources: []livekit.TrackSource{livekit.TrackSource_CAMERA, livekit.TrackSource_MICROPHONE}},
		IsPublisher: true, Attributes: map[string]string{"plan": "free", "region": "eu"},
		Tracks: []*livekit.TrackInfo{sampleTrack()}, ClientProtocol: 1,
	}
}

func sampleTrack() *livekit.TrackInfo {
	return &livekit.TrackInfo{
		Sid: "TR_VCrkpqWAJZVvKn", Type: livekit.TrackType_VIDEO, Name: "camera", Width: 1280, Height: 720,
		Source: livekit.TrackSource_CAMERA, MimeType: "video/VP8", Mid: "1", Stream: "camera",
		Codecs: []*livekit.SimulcastCodecInfo{{MimeType: "video/VP8", Mid: "1", Layers: []*livekit.VideoLayer{
			{Quality: livekit.VideoQuality_LOW, Width: 320, Height: 180, Bitrate: 160_000},
			{Quality: livekit.VideoQuality_HIGH, Width: 1280, Height: 720, Bitrate: 1_700_000},
		}}},
		Version: &livekit.TimedVersion{UnixMicro: 1_700_000_002_000_000},
	}
}

func sampleEgress() *livekit.EgressInfo {
	s3 := &livekit.S3Upload{
		AccessKey: secret + "access", Secret: secret + "key", SessionToken: secret + "session",
		AssumeRoleExternalId: secret + "external", AssumeRoleArn: "arn:aws:iam::1:role/recorder", Region: "eu-central-1",
		Bucket: "recordings", Endpoint: "https://user:" + secret + "@s3.example.com",
		Proxy: &livekit.ProxyConfig{Url: "http://me:" + secret + "@proxy.example.com:3128", Username: secret + "user", Password: secret + "pass"},
	}
	return &livekit.EgressInfo{
		EgressId: "EG_Rdp5VJnzQ7gV", RoomId: "RM_hvYuLGxcXyZB", RoomName: "daily-standup",
		SourceType: livekit.EgressSourceType_EGRESS_SOURCE_TYPE_WEB, Status: livekit.EgressStatus_EGRESS_ACTIVE,
		StartedAt: 1_700_000_003_000_000_001, UpdatedAt: 1_700_000_004_000_000_002,
		Request: &livekit.EgressInfo_RoomComposite{RoomComposite: &livekit.RoomCompositeEgressRequest{
			RoomName: "daily-standup", Layout: "grid", CustomBaseUrl: "https://templates.example.com/?token=" + secret,
			FileOutputs:    []*livekit.EncodedFileOutput{{Filepath: "standup.mp4", Output: &livekit.EncodedFileOutput_S3{S3: s3}}},
			SegmentOutputs: []*livekit.SegmentedFileOutput{{FilenamePrefix: "s", Output: &livekit.SegmentedFileOutput_Gcp{Gcp: &livekit.GCPUpload{Credentials: secret, Bucket: "b"}}}},
			ImageOutputs:   []*livekit.ImageOutput{{FilenamePrefix: "i", Output: &livekit.ImageOutput_Azure{Azure: &livekit.AzureBlobUpload{AccountName: "account", AccountKey: secret}}}},
			StreamOutputs: []*livekit.StreamOutput{{Protocol: livekit.StreamProtocol_RTMP, Urls: []string{
				"rtmps://live.example.com/app/" + secret, "twitch://" + secret, "srt://srt.example.com:9999?streamid=" + secret + "&passphrase=" + secret,
			}, Destinations: []*livekit.StreamDestination{{Id: "a", Url: "rtmp://live.example.com/app/" + secret + "?x=" + secret}}}},
		}},
		StreamResults: []*livekit.StreamInfo{{Url: "rtmps://live.example.com/app/" + secret, Status: livekit.StreamInfo_FAILED,
			Error: "cannot connect to rtmps://live.example.com/app/" + secret}},
		FileResults: []*livekit.FileInfo{{Filename: "standup.mp4", Duration: 61_000_000_000, Size: 12_345_678, Location: "https://s3.example.com/recordings/standup.mp4"}},
		Details:     "stream " + secret + " ended",
	}
}

func sampleIngress() *livekit.IngressInfo {
	return &livekit.IngressInfo{
		IngressId: "IN_sMQrUVzVbHzn", Name: "encoder", StreamKey: secret + "stream", Url: "rtmp://ingress.example.com/x",
		InputType: livekit.IngressInput_RTMP_INPUT, RoomName: "daily-standup", ParticipantIdentity: "encoder",
		State: &livekit.IngressState{Status: livekit.IngressState_ENDPOINT_PUBLISHING, RoomId: "RM_hvYuLGxcXyZB",
			StartedAt: 1_700_000_005_000_000_001, Error: "key " + secret + "stream is in use"},
	}
}

// sample returns an event of that name with everything that it can carry.
func sample(t testing.TB, name event.Name) event.Event {
	t.Helper()
	d, ok := event.Lookup(name)
	if !ok {
		t.Fatalf("%s is not in the catalogue", name)
	}
	e := event.Event{Name: name, Time: time.UnixMicro(1_700_000_006_789_012), Room: sampleRoom()}
	switch d.Scope {
	case event.ScopeRoom:
		if name == event.RoomFinished {
			e.RoomEndReason = livekit.RoomEndReason_ROOM_END_IDLE_TIMEOUT
		}
	case event.ScopeParticipant:
		e.Participant = sampleParticipant()
		if name == event.ParticipantLeft || name == event.ParticipantConnectionAborted {
			e.Participant.State = livekit.ParticipantInfo_DISCONNECTED
			e.Participant.DisconnectReason = livekit.DisconnectReason_CLIENT_INITIATED
			e.Participant.Tracks = nil
		}
	case event.ScopeTrack:
		e.Participant, e.Track = sampleParticipant(), sampleTrack()
	case event.ScopeEgress:
		e.Room = &livekit.Room{Sid: e.Room.Sid, Name: e.Room.Name}
		e.Egress = sampleEgress()
		if name == event.EgressEnded {
			e.Egress.Status = livekit.EgressStatus_EGRESS_COMPLETE
		}
	case event.ScopeIngress:
		e.Room = &livekit.Room{Sid: e.Room.Sid, Name: e.Room.Name}
		e.Ingress = sampleIngress()
		if name == event.IngressEnded {
			e.Ingress.State.Status = livekit.IngressState_ENDPOINT_COMPLETE
		}
	case event.ScopeJob:
		e.Job = &livekit.Job{Id: "AJ_7fLrkHcbQ2Pv", DispatchId: "AD_1", Type: livekit.JobType_JT_PARTICIPANT, Room: e.Room,
			Participant: sampleParticipant(), AgentName: "helper", State: &livekit.JobState{Status: livekit.JobStatus_JS_RUNNING,
				StartedAt: 1_700_000_004_000_000_003, WorkerId: "AW_1"}, CreatedAt: 1_700_000_004_000_000_004}
	default:
		t.Fatalf("%s has the scope %s, of which there is no sample", name, d.Scope)
	}
	if d.Detail != nil {
		e.Detail = sampleDetail(t, d.Detail)
	}
	return e
}

// sampleDetail returns a detail of that type with all its fields set.
func sampleDetail(t testing.TB, of any) any {
	t.Helper()
	start, end := time.UnixMilli(1_700_000_001_456).UTC(), time.UnixMilli(1_700_000_061_456).UTC()
	switch of.(type) {
	case *event.Lost:
		return &event.Lost{Cause: "signal"}
	case *event.Changed:
		return &event.Changed{By: event.ActorAPI, Keys: []string{"plan", "region"}}
	case *event.Speech:
		return &event.Speech{StartedAt: start, DurationMS: 1500, Peak: 0.25}
	case *event.Quality:
		return &event.Quality{Level: "poor", Previous: "good", Score: 2.5}
	case *event.Failure:
		return &event.Failure{Error: "codec not supported", Publisher: "anna"}
	case *event.Data:
		return &event.Data{Kind: "reliable", Topic: "chat", Bytes: 512, Destinations: []string{"ben"}}
	case *event.Summary:
		return &event.Summary{JoinedAt: start, LeftAt: end, DurationMS: 60_000, ConnectMS: 210, FirstMediaMS: 350, TalkMS: 12_000,
			TalkSegments: 7, Published: 2, Subscribed: 3, Resumes: 1, Quality: map[string]int64{"excellent": 50_000, "good": 10_000},
			Reason: "client_initiated", By: event.ActorClient}
	case *event.RoomTotals:
		return &event.RoomTotals{StartedAt: start, FinishedAt: end, DurationMS: 60_000, Sessions: 4, Identities: 3, Aborted: 1, Peak: 2,
			Published: 5, TalkMS: 30_000, ParticipantMS: 110_000, Quality: map[string]int64{"excellent": 100_000, "poor": 10_000},
			Resumes: 2, FirstMediaMS: 310, Reason: "departure_timeout", By: event.ActorServer}
	default:
		t.Fatalf("there is no sample of the detail %T", of)
		return nil
	}
}

func body(t testing.TB, e event.Event) []byte {
	t.Helper()
	b, err := e.Body(sampleID)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
