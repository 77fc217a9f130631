package egress

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// Capabilities is what can be recorded here, and how much more.
type Capabilities struct {
	// Egress are ways to record, each asked for as a request would be.
	Egress []Capability `json:"egress"`
	// Storage says which stores a request may name; Default and Backup are the
	// server's, without their keys, "" if files stay in the directory.
	Storage struct {
		Named   []string `json:"named"`
		Default string   `json:"default,omitempty"`
		Backup  string   `json:"backup,omitempty"`
	} `json:"storage"`
	// Jobs run now; MaxJobs may, 0 for any number.
	Jobs    int `json:"jobs"`
	MaxJobs int `json:"maxJobs"`
	// Load is that of the processors over the last seconds, from 0 to 1, and MaxLoad
	// that from which on nothing is begun; both are 0 where nothing is measured.
	Load       float64 `json:"load"`
	MaxLoad    float64 `json:"maxLoad"`
	Processors int     `json:"processors,omitempty"`
	// Busy says why a request of the cheapest kind would be refused now; "" if it would not
	// be.
	Busy string `json:"busy,omitempty"`
}

// Capability is a way to record.
type Capability struct {
	Name  string `json:"name"`
	Works bool   `json:"works"`
	// Code and Reason are the refusal: Reason names what to install.
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Capabilities tells what works here. It asks what a request would be told, so it
// cannot say anything else.
func (s *Service) Capabilities(ctx context.Context) any {
	c := Capabilities{MaxJobs: s.opts.Limits.Jobs, MaxLoad: s.opts.Limits.CPU}
	for _, one := range samples() {
		capability := Capability{Name: one.name, Works: true}
		r, err := request.Read(one.req)
		if err == nil {
			_, err = s.plan(ctx, r)
		}
		if err != nil {
			capability.Works, capability.Code, capability.Reason = false, string(Internal), err.Error()
			if coded, ok := errors.AsType[interface {
				error
				ErrorCode() string
			}](err); ok {
				capability.Code = coded.ErrorCode()
			}
		}
		c.Egress = append(c.Egress, capability)
	}
	c.Storage.Named = []string{"s3", "gcp", "azure"}
	if s.opts.Storage != nil {
		c.Storage.Default = s.opts.Storage.String()
	}
	if s.opts.Backup != nil {
		c.Storage.Backup = s.opts.Backup.String()
	}
	s.mu.Lock()
	for _, j := range s.jobs {
		if j.runs() {
			c.Jobs++
		}
	}
	busy := s.full(wire.Pass, 1)
	s.mu.Unlock()
	if s.meter == nil {
		c.MaxLoad = 0
	} else {
		c.Load, c.Processors = s.meter.load()
	}
	if busy != nil {
		c.Busy = busy.Error()
	}
	return c
}

// sample is a request that nobody made.
type sample struct {
	name string
	req  proto.Message
}

// samples are one for each way to record.
func samples() []sample {
	file := []*livekit.EncodedFileOutput{{FileType: livekit.EncodedFileType_MP4}}
	preset := &livekit.ParticipantEgressRequest_Preset{Preset: livekit.EncodingOptionsPreset_H264_720P_30}
	segments := func(protocol livekit.SegmentedFileProtocol) *livekit.ParticipantEgressRequest {
		return &livekit.ParticipantEgressRequest{RoomName: "r", Identity: "i", SegmentOutputs: []*livekit.SegmentedFileOutput{{
			Protocol: protocol, FilenamePrefix: "a", PlaylistName: "a.m3u8",
		}}}
	}
	return []sample{
		{"track", &livekit.TrackEgressRequest{RoomName: "r", TrackId: "t", Output: &livekit.TrackEgressRequest_File{File: &livekit.DirectFileOutput{}}}},
		{"track to a WebSocket", &livekit.TrackEgressRequest{RoomName: "r", TrackId: "t", Output: &livekit.TrackEgressRequest_WebsocketUrl{WebsocketUrl: "wss://example.com"}}},
		{"participant", &livekit.ParticipantEgressRequest{RoomName: "r", Identity: "i", FileOutputs: []*livekit.EncodedFileOutput{{}}}},
		{"participant, encoded", &livekit.ParticipantEgressRequest{RoomName: "r", Identity: "i", FileOutputs: file, Options: preset}},
		{"room, sound", &livekit.RoomCompositeEgressRequest{RoomName: "r", AudioOnly: true, FileOutputs: []*livekit.EncodedFileOutput{{FileType: livekit.EncodedFileType_OGG}}}},
		{"room, composite", &livekit.RoomCompositeEgressRequest{RoomName: "r", FileOutputs: file}},
		{"room, page of your own", &livekit.RoomCompositeEgressRequest{RoomName: "r", CustomBaseUrl: "https://example.com", FileOutputs: file}},
		{"web page", &livekit.WebEgressRequest{Url: "https://example.com", FileOutputs: file}},
		{"HLS", segments(livekit.SegmentedFileProtocol_HLS_PROTOCOL)},
		{"images", &livekit.ParticipantEgressRequest{RoomName: "r", Identity: "i", ImageOutputs: []*livekit.ImageOutput{{FilenamePrefix: "a", CaptureInterval: 5}}}},
		{"RTMP", &livekit.RoomCompositeEgressRequest{RoomName: "r", StreamOutputs: []*livekit.StreamOutput{{Protocol: livekit.StreamProtocol_RTMP, Urls: []string{"rtmp://example.com/app/key"}}}}},
		{"SRT", &livekit.RoomCompositeEgressRequest{RoomName: "r", StreamOutputs: []*livekit.StreamOutput{{Protocol: livekit.StreamProtocol_SRT, Urls: []string{"srt://example.com:9000"}}}}},
	}
}

// File returns the path of a file that a job has made or makes: the n-th of its file
// results, from 0. It fails with not_found if there is no such job or file, and with
// failed_precondition if the file is in a store.
func (s *Service) File(id string, n int) (path string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	if j == nil {
		return "", refuse(NotFound, "egress %.64q does not exist, or ended more than a day ago", id)
	}
	info := j.info
	if j.final != nil {
		info = j.final
	}
	if n < 0 || n >= len(info.FileResults) {
		return "", refuse(NotFound, "egress %s has no such file", id)
	}
	path = info.FileResults[n].Location
	if strings.Contains(path, "://") {
		return "", refuse(FailedPrecondition, "the file is at %s: ask there", path)
	}
	below, err := filepath.Rel(s.opts.Directory, path)
	if err != nil || !filepath.IsLocal(below) {
		return "", refuse(NotFound, "egress %s has no such file", id)
	}
	return path, nil
}
