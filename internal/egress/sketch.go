package egress

import (
	"path"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// Sketch is the job that a request would be, without the names of anything: enough
// to see whether it can be done.
func Sketch(r *request.Request) wire.Job {
	job := wire.Job{Audio: r.Source.Audio, Video: r.Source.Video, Layout: r.Source.Layout, Encoding: encodingOf(r)}
	for _, o := range r.Outputs {
		switch {
		case o.File != nil:
			job.Outputs = append(job.Outputs, wire.Output{Kind: wire.File, Format: string(formatAsked(o.File))})
		case o.Segments != nil:
			job.Outputs = append(job.Outputs, wire.Output{Kind: wire.Segments, Length: segmentTime, TS: o.Segments.Protocol == livekit.SegmentedFileProtocol_HLS_PROTOCOL})
		case o.Images != nil:
			job.Outputs = append(job.Outputs, wire.Output{Kind: wire.Images, Length: time.Second})
		case o.Stream != nil:
			out := wire.Output{Kind: wire.Stream}
			for _, u := range o.Stream.Urls {
				out.Destinations = append(out.Destinations, wire.Destination{URL: u})
			}
			for _, d := range o.Stream.Destinations {
				out.Destinations = append(out.Destinations, wire.Destination{ID: d.Id, URL: d.Url})
			}
			job.Outputs = append(job.Outputs, out)
		case o.Socket != "":
			job.Outputs = append(job.Outputs, wire.Output{Kind: wire.Socket})
		}
	}
	return job
}

// formatAsked is the format of a file that a request names, "" for none.
func formatAsked(o *livekit.FileOutput) container.Format {
	switch o.FileType {
	case livekit.EncodedFileType_MP4:
		return container.MP4
	case livekit.EncodedFileType_OGG:
		return container.Ogg
	case livekit.EncodedFileType_MP3:
		return container.MP3File
	}
	switch f := container.Format(strings.ToLower(path.Ext(o.Filepath))); f {
	case container.MP4, container.M4A, container.Ogg, container.WebM, container.MP3File:
		return f
	}
	return ""
}

// encodingOf is how a request wants to be encoded, nil for as it is.
func encodingOf(r *request.Request) *wire.Encoding {
	e := r.Encoding
	if e == nil {
		return nil
	}
	return &wire.Encoding{
		Width: int(e.Width), Height: int(e.Height), Framerate: int(e.Framerate),
		VideoCodec: e.VideoCodec.String(), AudioCodec: e.AudioCodec.String(),
		VideoBitrate: int(e.VideoBitrate), AudioBitrate: int(e.AudioBitrate),
		AudioFrequency: int(e.AudioFrequency), KeyFrameInterval: e.KeyFrameInterval,
	}
}
