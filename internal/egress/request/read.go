package request

import (
	"cmp"
	"fmt"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// Read reads a request of any of the calls that start an egress. It fails with
// *Error, and with nothing else. The request is not kept, nor changed.
func Read(req proto.Message) (*Request, error) {
	r := &Request{}
	var err error
	switch req := proto.Clone(req).(type) {
	case *livekit.StartEgressRequest:
		err = r.start(req)
	case *livekit.RoomCompositeEgressRequest:
		r.Room, r.Webhooks = req.RoomName, req.Webhooks
		r.Source = Source{Kind: Room, Audio: !req.VideoOnly, Video: !req.AudioOnly, Layout: req.Layout, BaseURL: req.CustomBaseUrl, Mixing: req.AudioMixing}
		err = r.encoded(req, req.GetFile(), req.GetStream(), req.GetSegments(), req.ImageOutputs) //nolint:staticcheck // older clients send them
	case *livekit.WebEgressRequest:
		r.Webhooks = req.Webhooks
		r.Source = Source{Kind: Web, Audio: !req.VideoOnly, Video: !req.AudioOnly, URL: req.Url, AwaitStart: req.AwaitStartSignal}
		err = r.encoded(req, req.GetFile(), req.GetStream(), req.GetSegments(), req.ImageOutputs) //nolint:staticcheck // as above
	case *livekit.ParticipantEgressRequest:
		r.Room, r.Webhooks = req.RoomName, req.Webhooks
		r.Source = Source{Kind: Participant, Audio: true, Video: true, Identity: req.Identity, Screen: req.ScreenShare}
		err = r.encoded(req, nil, nil, nil, req.ImageOutputs)
	case *livekit.TrackCompositeEgressRequest:
		r.Room, r.Webhooks = req.RoomName, req.Webhooks
		r.Source = tracks(req.AudioTrackId, req.VideoTrackId)
		err = r.encoded(req, req.GetFile(), req.GetStream(), req.GetSegments(), req.ImageOutputs) //nolint:staticcheck // as above
	case *livekit.TrackEgressRequest:
		r.Room, r.Webhooks = req.RoomName, req.Webhooks
		r.Source = Source{Kind: Tracks, AudioTrack: req.TrackId, Audio: true, Video: true, Direct: true}
		err = r.direct(req)
	default:
		panic(fmt.Sprintf("BUG: %T starts no egress", req))
	}
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return nil, err
	}
	r.Asked = Redact(req)
	return r, nil
}

func tracks(audio, video string) Source {
	return Source{Kind: Tracks, AudioTrack: audio, VideoTrack: video, Audio: audio != "", Video: video != ""}
}

// direct reads the output of StartTrackEgress. The track's sid is in AudioTrack
// until it is known what it is.
func (r *Request) direct(req *livekit.TrackEgressRequest) error {
	if req.TrackId == "" {
		return wrong("track_id", "is required")
	}
	switch o := req.Output.(type) {
	case *livekit.TrackEgressRequest_File:
		if o.File == nil {
			break
		}
		r.Outputs = []Output{{
			File:    &livekit.FileOutput{Filepath: o.File.Filepath, DisableManifest: o.File.DisableManifest},
			Storage: storage(o.File),
		}}
		return nil
	case *livekit.TrackEgressRequest_WebsocketUrl:
		r.Outputs = []Output{{Socket: o.WebsocketUrl}}
		return nil
	}
	return wrong("output", "is required: file or websocket_url")
}

// encodes are the requests of before StartEgress that can be encoded.
type encodes interface {
	GetPreset() livekit.EncodingOptionsPreset
	GetAdvanced() *livekit.EncodingOptions
	GetFileOutputs() []*livekit.EncodedFileOutput
	GetStreamOutputs() []*livekit.StreamOutput
	GetSegmentOutputs() []*livekit.SegmentedFileOutput
}

// encoded reads encoding and outputs. What is given singly is of older clients, and
// is not looked at if there are lists.
func (r *Request) encoded(req encodes, file *livekit.EncodedFileOutput, stream *livekit.StreamOutput, segments *livekit.SegmentedFileOutput, images []*livekit.ImageOutput) error {
	m := req.(proto.Message).ProtoReflect()
	given := m.WhichOneof(m.Descriptor().Oneofs().ByName("options")) != nil
	if err := r.encode(given, req.GetPreset(), req.GetAdvanced()); err != nil {
		return err
	}
	files, streams, segmented := req.GetFileOutputs(), req.GetStreamOutputs(), req.GetSegmentOutputs()
	if len(files)+len(streams)+len(segmented)+len(images) == 0 {
		switch {
		case file != nil:
			files = append(files, file)
		case stream != nil:
			streams = append(streams, stream)
		case segments != nil:
			segmented = append(segmented, segments)
		}
	}
	for _, f := range files {
		r.Outputs = append(r.Outputs, Output{
			File:    &livekit.FileOutput{FileType: f.FileType, Filepath: f.Filepath, DisableManifest: f.DisableManifest},
			Storage: storage(f),
		})
	}
	for _, s := range streams {
		r.Outputs = append(r.Outputs, Output{Stream: s})
	}
	for _, s := range segmented {
		r.Outputs = append(r.Outputs, segmentsOutput(s, nil))
	}
	for _, i := range images {
		r.Outputs = append(r.Outputs, imageOutput(i, nil))
	}
	return nil
}

func segmentsOutput(s *livekit.SegmentedFileOutput, other *livekit.StorageConfig) Output {
	o := Output{Segments: s, Storage: cmp.Or(storage(s), other)}
	s.Output = nil
	return o
}

func imageOutput(i *livekit.ImageOutput, other *livekit.StorageConfig) Output {
	o := Output{Images: i, Storage: cmp.Or(storage(i), other)}
	i.Output = nil
	return o
}

// stores are outputs that say where they are kept.
type stores interface {
	GetS3() *livekit.S3Upload
	GetGcp() *livekit.GCPUpload
	GetAzure() *livekit.AzureBlobUpload
	GetAliOSS() *livekit.AliOSSUpload
}

// storage is what an output says of where it is kept, nil for nothing.
func storage(o stores) *livekit.StorageConfig {
	switch {
	case o.GetS3() != nil:
		return &livekit.StorageConfig{Provider: &livekit.StorageConfig_S3{S3: o.GetS3()}}
	case o.GetGcp() != nil:
		return &livekit.StorageConfig{Provider: &livekit.StorageConfig_Gcp{Gcp: o.GetGcp()}}
	case o.GetAzure() != nil:
		return &livekit.StorageConfig{Provider: &livekit.StorageConfig_Azure{Azure: o.GetAzure()}}
	case o.GetAliOSS() != nil:
		return &livekit.StorageConfig{Provider: &livekit.StorageConfig_AliOSS{AliOSS: o.GetAliOSS()}}
	}
	return nil
}

// start reads a StartEgress.
func (r *Request) start(req *livekit.StartEgressRequest) error {
	r.Room, r.Webhooks = req.RoomName, req.Webhooks
	switch s := req.Source.(type) {
	case *livekit.StartEgressRequest_Template:
		t := s.Template
		r.Source = Source{Kind: Room, Audio: !t.GetVideoOnly(), Video: !t.GetAudioOnly(), Layout: t.GetLayout(), BaseURL: t.GetCustomBaseUrl()}
	case *livekit.StartEgressRequest_Web:
		w := s.Web
		r.Source = Source{Kind: Web, Audio: !w.GetVideoOnly(), Video: !w.GetAudioOnly(), URL: w.GetUrl(), AwaitStart: w.GetAwaitStartSignal()}
	case *livekit.StartEgressRequest_Media:
		var err error
		if r.Source, err = media(s.Media); err != nil {
			return err
		}
	default:
		return wrong("source", "is required: template, web or media")
	}
	if preset, ok := req.Encoding.(*livekit.StartEgressRequest_Preset); ok && preset.Preset == livekit.EncodingOptionsPreset_PASSTHROUGH {
		s := r.Source
		if s.Kind != Tracks || s.Audio == s.Video || len(req.Outputs) != 1 || req.Outputs[0].GetFile() == nil {
			return wrong("preset", "PASSTHROUGH is of one track in one file")
		}
		r.Source.Direct = true
	} else if err := r.encode(req.Encoding != nil, req.GetPreset(), req.GetAdvanced()); err != nil {
		return err
	}
	for _, o := range req.Outputs {
		other := cmp.Or(o.GetStorage(), req.Storage)
		switch c := o.GetConfig().(type) {
		case *livekit.Output_File:
			r.Outputs = append(r.Outputs, Output{File: c.File, Storage: other})
		case *livekit.Output_Stream:
			if c.Stream.GetProtocol() == livekit.StreamProtocol_WEBSOCKET {
				if len(c.Stream.Urls) != 1 || len(c.Stream.Destinations) > 0 {
					return wrong("outputs", "to a WebSocket have one url each")
				}
				r.Outputs = append(r.Outputs, Output{Socket: c.Stream.Urls[0]})
				continue
			}
			r.Outputs = append(r.Outputs, Output{Stream: c.Stream})
		case *livekit.Output_Segments:
			if c.Segments != nil {
				r.Outputs = append(r.Outputs, segmentsOutput(c.Segments, other))
			}
		case *livekit.Output_Images:
			if c.Images != nil {
				r.Outputs = append(r.Outputs, imageOutput(c.Images, other))
			}
		default:
			return wrong("outputs", "have one of file, stream, segments and images each")
		}
	}
	return nil
}

// media reads a source of StartEgress that is tracks of a room. What is the same as
// a request of before is read as that.
func media(m *livekit.MediaSource) (Source, error) {
	s := Source{Kind: Media}
	if m.GetData() != nil {
		return s, wrong("media.data", "cannot be recorded")
	}
	switch v := m.GetVideo().(type) {
	case *livekit.MediaSource_VideoTrackId:
		if v.VideoTrackId == "" {
			return s, wrong("media.video_track_id", "is empty")
		}
		s.VideoTrack, s.Video = v.VideoTrackId, true
	case *livekit.MediaSource_ParticipantVideo:
		if v.ParticipantVideo.GetIdentity() == "" {
			return s, wrong("media.participant_video.identity", "is required")
		}
		s.Identity, s.Screen, s.Video = v.ParticipantVideo.Identity, v.ParticipantVideo.PreferScreenShare, true
	case *livekit.MediaSource_Videos:
		return s, wrong("media.videos", "cannot be recorded: one picture can, by video_track_id or participant_video")
	}
	a := m.GetAudio()
	s.Routes, s.Rest = a.GetRoutes(), a.GetCaptureAll()
	s.Audio = s.Rest || len(s.Routes) > 0
	for i, route := range s.Routes {
		if route.GetMatch() == nil && route.GetTrackName() == "" {
			return s, wrong(fmt.Sprintf("media.audio.routes[%d]", i), "says nothing of what it is for")
		}
	}
	if !s.Audio && !s.Video {
		return s, wrong("media", "has neither video nor audio")
	}
	return simpler(s), nil
}

// simpler is the source as Tracks or Participant, if it is no more than that.
func simpler(s Source) Source {
	if s.Rest || len(s.Routes) > 1 {
		return s
	}
	var route *livekit.AudioRoute
	if len(s.Routes) == 1 {
		if route = s.Routes[0]; route.Channel != livekit.AudioChannel_AUDIO_CHANNEL_BOTH || route.TrackName != "" || route.Exclude {
			return s
		}
	}
	switch {
	case s.Identity == "" && (route == nil || route.GetTrackId() != ""):
		return tracks(route.GetTrackId(), s.VideoTrack)
	case s.VideoTrack == "" && (route == nil || route.GetParticipantIdentity() != "") && (s.Identity == "" || route == nil || s.Identity == route.GetParticipantIdentity()):
		return Source{Kind: Participant, Audio: s.Audio, Video: s.Video, Screen: s.Screen, Identity: cmp.Or(s.Identity, route.GetParticipantIdentity())}
	}
	return s
}
