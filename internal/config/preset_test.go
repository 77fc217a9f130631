package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/testing/protocmp"
)

func TestPresetsHoldEverySettingOfARoom(t *testing.T) {
	c := mustLoad(t, goodKeys+`
room:
  room_configurations:
    class:
      name: a class
      empty_timeout: 600
      departure_timeout: 60
      max_participants: 30
      metadata: '{"kind": "class"}'
      sync_streams: true
      tags: {tenant: school}
      agents:
        - agent_name: helper
          metadata: m
        - {agentname: other}
      egress:
        room: {audio_only: true, file_outputs: [{filepath: 'a/{room_name}'}]}
        participant:
          advanced: {width: 640, keyFrameInterval: 1.5}
          segment_outputs:
            - {filename_prefix: p, segment_duration: 2}
        tracks: {filepath: 'b/', disable_manifest: true}
    small: {maxparticipants: 2}
    plain:
`, nil)
	want := map[string]*livekit.RoomConfiguration{
		"class": {
			Name: "a class", EmptyTimeout: 600, DepartureTimeout: 60, MaxParticipants: 30, Metadata: `{"kind": "class"}`,
			SyncStreams: true, Tags: map[string]string{"tenant": "school"},
			Agents: []*livekit.RoomAgentDispatch{{AgentName: "helper", Metadata: "m"}, {AgentName: "other"}},
			Egress: &livekit.RoomEgress{
				Room: &livekit.RoomCompositeEgressRequest{AudioOnly: true, FileOutputs: []*livekit.EncodedFileOutput{{Filepath: "a/{room_name}"}}},
				Participant: &livekit.AutoParticipantEgress{
					Options:        &livekit.AutoParticipantEgress_Advanced{Advanced: &livekit.EncodingOptions{Width: 640, KeyFrameInterval: 1.5}},
					SegmentOutputs: []*livekit.SegmentedFileOutput{{FilenamePrefix: "p", SegmentDuration: 2}},
				},
				Tracks: &livekit.AutoTrackEgress{Filepath: "b/", DisableManifest: true},
			},
		},
		"small": {Name: "small", MaxParticipants: 2},
		"plain": {Name: "plain"},
	}
	if diff := cmp.Diff(want, c.Room.Presets, protocmp.Transform()); diff != "" {
		t.Errorf("presets (-want +got):\n%s", diff)
	}
}

func TestPresetsOfTheExampleAreTaken(t *testing.T) {
	body, err := os.ReadFile("../../rollcall.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(body), "  room_configurations: {}\n")
	text, _, _ = strings.Cut(text, "\n\n")
	text = strings.ReplaceAll("\n"+text, "\n#", "\n")
	c := mustLoad(t, goodKeys+"room:\n  room_configurations:"+text+"\n", nil)
	if p := c.Room.Presets["classroom"]; p.GetMaxParticipants() != 30 || len(p.GetAgents()) != 1 || p.GetTags()["tenant"] != "school" || p.GetEgress().GetTracks().GetFilepath() == "" {
		t.Errorf("presets %v of\n%s", c.Room.Presets, text)
	}
}

func TestPresetsSayWhatIsWrongWithThem(t *testing.T) {
	for body, want := range map[string]string{
		"{class: {egress: {rooms: {}}}}":          "no RoomEgress: unknown field",
		"{class: {egress: [1]}}":                  "no RoomEgress",
		"{class: {egress: {room: {preset: 9k}}}}": "no RoomEgress",
		"{class: {empty_timeout: soon}}":          "seconds",
		"{class: {max_participants: -1}}":         "participants",
		"{class: {sync_streams: 7}}":              "true or false",
		"{class: {tags: {rollcall.webhook: x}}}":  "for requests",
		"{class: {agents: helper}}":               "agent_name",
		"{class: {agents: [{name: helper}]}}":     "no key",
		"{class: {max_participant: 1}}":           "no key",
	} {
		_, err := load(t, goodKeys+"room: {room_configurations: "+body+"}", nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "r.yaml:") {
			t.Errorf("%s: %v, want one that says %q and where", body, err, want)
		}
	}
}

// Keys of stores are secrets, wherever in a preset they stand by mistake.
func TestErrorsOfPresetsHoldNoSecrets(t *testing.T) {
	const secret = "87654321hunter"
	for output, want := range map[string]string{
		"s3: {force_path_style: " + secret + "}":          "bool field forcePathStyle",
		"s3: {secret: [" + secret + "]}":                  "string field secret",
		"s3: {secret: {" + secret + ": x}}":               "string field secret",
		"s3: " + secret:                                   "not of the kind",
		"s3: [" + secret + "]":                            "not of the kind",
		"file_type: " + secret:                            "enum field fileType",
		"s3: {metadata: " + secret + "}":                  "not of the kind",
		"s3: {metadata: {" + secret + ": [1]}}":           "string field value",
		"s3: {secret: " + secret + "}, gcp: {bucket: b}":  "already set",
		"s3: {secret: " + secret + ", forcePathStyle: 1}": "bool field forcePathStyle",
	} {
		body := "{class: {egress: {room: {file_outputs: [{" + output + "}]}}}}"
		_, err := load(t, goodKeys+"room: {room_configurations: "+body+"}", nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want one that says %q", output, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v", output, err)
		}
	}
}

func TestTextOfPresetsMayLookLikeANumber(t *testing.T) {
	c := mustLoad(t, goodKeys+`
room:
  room_configurations:
    class:
      egress:
        room:
          room_name: 12
          audio_only: true
          file_outputs: [{filepath: 2026, s3: {access_key: 0123456789, secret: 1e5, bucket: true, force_path_style: true, metadata: {year: 2026}}}]
`, nil)
	room := c.Room.Presets["class"].Egress.Room
	s3 := room.FileOutputs[0].GetS3()
	want := &livekit.S3Upload{AccessKey: "0123456789", Secret: "1e5", Bucket: "true", ForcePathStyle: true, Metadata: map[string]string{"year": "2026"}}
	if diff := cmp.Diff(want, s3, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if room.RoomName != "12" || !room.AudioOnly || room.FileOutputs[0].Filepath != "2026" {
		t.Errorf("%v", room)
	}
}

func TestDuplicateIdentityIsOneOfTwo(t *testing.T) {
	if c := mustLoad(t, goodKeys+"room: {duplicate_identity: reject}", nil); c.Room.DuplicateIdentity != Reject {
		t.Errorf("got %q", c.Room.DuplicateIdentity)
	}
	if _, err := load(t, goodKeys+"room: {duplicate_identity: ignore}", nil); err == nil || !strings.Contains(err.Error(), "replace or reject") {
		t.Errorf("got %v", err)
	}
}
