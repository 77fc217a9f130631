package egress

import (
	"context"
	"slices"
	"strings"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// Worker runs the jobs of one kind. It gets frames of as many tracks as the source
// of its job has, with their times, and what is changed meanwhile (wire.Control), by
// one pipe: see worker.Recorder. What it makes is known by its reports, and by its
// journal once it is dead.
type Worker struct {
	// Command gets the job's id as one more argument, so that a worker can be told
	// apart in a list of processes. Empty: Options.Worker.
	Command []string
	// Check says why a request cannot be served, such as that a program is missing. It
	// is asked for each request; nil serves all.
	Check func(context.Context, *request.Request) error
	// Prepare adds to a job what is not of the request; nil adds nothing. It is called
	// once the job can begin, and its error is told to who asked for it.
	Prepare func(ctx context.Context, r *request.Request, job *wire.Job) error
	// Layout has a job take another layout, beside wire.Control; nil if that is enough.
	Layout func(ctx context.Context, info *livekit.EgressInfo, layout string) error
}

// plan decides what kind of worker serves a request. Everything that cannot be
// served is refused here, and nowhere else.
func (s *Service) plan(ctx context.Context, r *request.Request) (wire.Kind, error) {
	kind := kindOf(r)
	w, ok := s.opts.Workers[kind]
	if !ok {
		return "", refuse(Unimplemented, "%s is not available yet: %s", whatItIs(r, kind), available)
	}
	if w.Check != nil {
		if err := w.Check(ctx, r); err != nil {
			return "", err
		}
	}
	return kind, nil
}

// available is what refusals offer in place of what is refused.
const available = "tracks and participants can be recorded as they are, and the sound of a room: leave out preset and advanced"

// kindOf is the kind of worker that a request needs.
func kindOf(r *request.Request) wire.Kind {
	src := &r.Source
	switch {
	case src.Kind == request.Web || src.BaseURL != "":
		return wire.Browse
	case r.Encoding != nil && !opusAlone(r) || slices.ContainsFunc(r.Outputs, encoded):
		return wire.Encode
	case src.Kind == request.Room || src.Kind == request.Media:
		if src.Video {
			return wire.Encode
		}
		return wire.Mix
	case r.Encoding != nil || slices.ContainsFunc(r.Outputs, func(o request.Output) bool { return o.Socket != "" }):
		return wire.Mix
	}
	return wire.Pass
}

// opusAlone says whether what is to be encoded is sound, in the codec that needs no
// other program.
func opusAlone(r *request.Request) bool {
	c := r.Encoding.AudioCodec
	return !r.Source.Video && (c == livekit.AudioCodec_DEFAULT_AC || c == livekit.AudioCodec_OPUS)
}

// encoded says whether an output is of what nobody publishes.
func encoded(o request.Output) bool {
	switch {
	case o.Images != nil, o.Stream != nil:
		return true
	case o.Segments != nil:
		return o.Segments.Protocol == livekit.SegmentedFileProtocol_HLS_PROTOCOL
	case o.File != nil:
		return o.File.FileType == livekit.EncodedFileType_MP3 || strings.HasSuffix(strings.ToLower(o.File.Filepath), ".mp3")
	}
	return false
}

// whatItIs describes in a refusal what was asked for.
func whatItIs(r *request.Request, kind wire.Kind) string {
	switch {
	case r.Source.Kind == request.Web:
		return "egress of a web page"
	case r.Source.BaseURL != "":
		return "egress by a page of your own"
	case kind == wire.Mix && r.Outputs[0].Socket != "":
		return "egress to a WebSocket"
	case kind == wire.Mix:
		return "sound of several together"
	case r.Source.Kind == request.Room:
		return "egress of a whole room"
	case r.Source.Kind == request.Media:
		return "egress of several tracks together"
	case r.Encoding != nil:
		return "encoding anew"
	}
	return "this output"
}
