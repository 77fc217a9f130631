package egress

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// lay decides where the outputs of a job go, and what is said of them before there
// is anything.
func (s *Service) lay(j *job, r *request.Request, p place, fresh []*tapped) error {
	for _, o := range r.Outputs {
		switch {
		case o.File != nil:
			if err := s.layFile(j, o.File, p, fresh); err != nil {
				return err
			}
		case o.Segments != nil:
			if err := s.laySegments(j, o.Segments, p, fresh); err != nil {
				return err
			}
		case o.Images != nil:
			name, err := fileName("filename_prefix", o.Images.FilenamePrefix, p, "")
			if err != nil {
				return err
			}
			overwrite := o.Images.FilenameSuffix == livekit.ImageFileSuffix_IMAGE_SUFFIX_NONE_OVERWRITE
			at, err := s.reserveImages(j, name, overwrite)
			if err != nil {
				return err
			}
			every := max(o.Images.CaptureInterval, 1)
			j.outputs = append(j.outputs, wire.Output{
				Kind: wire.Images, Path: at, Length: time.Duration(every) * time.Second, Width: int(o.Images.Width), Height: int(o.Images.Height),
				Timestamps: o.Images.FilenameSuffix == livekit.ImageFileSuffix_IMAGE_SUFFIX_TIMESTAMP, Overwrite: overwrite,
			})
			j.info.ImageResults = append(j.info.ImageResults, &livekit.ImagesInfo{FilenamePrefix: filepath.Base(at)})
			j.manifest = j.manifest || !o.Images.DisableManifest
		case o.Stream != nil:
			out := wire.Output{Kind: wire.Stream}
			for _, u := range o.Stream.Urls {
				out.Destinations = append(out.Destinations, wire.Destination{URL: u})
			}
			for _, d := range o.Stream.Destinations {
				out.Destinations = append(out.Destinations, wire.Destination{ID: d.Id, URL: d.Url})
			}
			for _, d := range out.Destinations {
				j.info.StreamResults = append(j.info.StreamResults, &livekit.StreamInfo{Id: d.ID, Url: request.RedactStreamURL(d.URL)})
			}
			j.outputs = append(j.outputs, out)
		case o.Socket != "":
			j.outputs = append(j.outputs, wire.Output{Kind: wire.Socket, Destinations: []wire.Destination{{URL: o.Socket}}})
			j.info.StreamResults = append(j.info.StreamResults, &livekit.StreamInfo{Url: request.RedactStreamURL(o.Socket)})
		}
	}
	forOlder(j.info)
	return nil
}

func (s *Service) layFile(j *job, o *livekit.FileOutput, p place, fresh []*tapped) error {
	asked := formatAsked(o)
	if p.alone {
		asked = "" // each codec has its own
	}
	// What the worker is going to choose: it knows better if something else comes.
	format := container.MP4
	if j.kind == wire.Mix {
		format = container.BestFormat([]container.Track{{Codec: container.Opus}}, asked)
	} else if j.kind != wire.Pass {
		if asked != "" {
			format = asked
		}
	} else if len(fresh) > 0 {
		var tracks []container.Track
		for _, one := range fresh {
			if codec, err := container.CodecOf(one.MimeType); err == nil {
				tracks = append(tracks, container.Track{Codec: codec})
			}
		}
		format = container.BestFormat(tracks, asked)
	}
	name, err := fileName("filepath", o.Filepath, p, string(format))
	if err != nil {
		return err
	}
	at, err := s.reserve(j, name, string(format), isThere)
	if err != nil {
		return err
	}
	j.outputs = append(j.outputs, wire.Output{Kind: wire.File, Path: strings.TrimSuffix(at, string(format)), Format: string(asked)})
	j.info.FileResults = append(j.info.FileResults, &livekit.FileInfo{Filename: filepath.Base(at), Location: at})
	j.manifest = j.manifest || !o.DisableManifest
	return nil
}

// segmentTime is how long a segment is unless the request says so.
const segmentTime = 4 * time.Second

func (s *Service) laySegments(j *job, o *livekit.SegmentedFileOutput, p place, fresh []*tapped) error {
	for _, one := range fresh {
		if codec, err := container.CodecOf(one.MimeType); j.kind == wire.Pass && (err != nil || !container.Segmented(codec)) {
			return refuse(FailedPrecondition, "a track of %s cannot be in segments as it is: publish H264, VP9 or AV1", one.MimeType)
		}
	}
	prefix, list, live, err := segmentNames(o, p)
	if err != nil {
		return err
	}
	at, err := s.reserve(j, list, ".m3u8", isThere)
	if err != nil {
		return err
	}
	if live != "" {
		if live, err = s.reserve(j, live, ".m3u8", isThere); err != nil {
			return err
		}
	}
	begins, err := s.reserveSegments(j, prefix)
	if err != nil {
		return err
	}
	out := wire.Output{
		Kind: wire.Segments, Path: begins, Playlist: at, LivePlaylist: live, Length: segmentTime,
		Timestamps: o.FilenameSuffix == livekit.SegmentedFileSuffix_TIMESTAMP,
		TS:         o.Protocol == livekit.SegmentedFileProtocol_HLS_PROTOCOL,
	}
	if o.SegmentDuration > 0 {
		out.Length = time.Duration(o.SegmentDuration) * time.Second
	}
	j.outputs = append(j.outputs, out)
	info := &livekit.SegmentsInfo{PlaylistName: filepath.Base(at), PlaylistLocation: at}
	if live != "" {
		info.LivePlaylistName, info.LivePlaylistLocation = filepath.Base(live), live
	}
	j.info.SegmentResults = append(j.info.SegmentResults, info)
	j.manifest = j.manifest || !o.DisableManifest
	return nil
}

// wireJob is what the worker of a job is told.
func wireJob(j *job, r *request.Request) wire.Job {
	job := wire.Job{
		ID: j.id, Kind: j.kind, Audio: r.Source.Audio, Video: r.Source.Video, Outputs: j.outputs,
		Layout: r.Source.Layout, Plain: r.Source.Kind != request.Room, URL: r.Source.URL, Await: r.Source.AwaitStart, Journal: j.s.journal(j.id),
		Stereo: r.Source.Mixing != livekit.AudioMixing_DEFAULT_MIXING,
	}
	for _, route := range r.Source.Routes {
		job.Stereo = job.Stereo || route.Channel != livekit.AudioChannel_AUDIO_CHANNEL_BOTH
	}
	job.Encoding = encodingOf(r)
	return job
}
