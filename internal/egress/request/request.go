package request

import (
	"fmt"

	"github.com/livekit/protocol/livekit"
)

// Request is what is asked for, however it is.
type Request struct {
	Room   string // name; empty for a web page
	Source Source
	// Outputs is at most one of each kind, but for images; see Output.
	Outputs []Output
	// Encoding is how to encode anew, with all values filled in; nil leaves the
	// media as it is published.
	Encoding *livekit.EncodingOptions
	Webhooks []*livekit.WebhookConfig
	// Asked is the request as it came, without its secrets: it has the type of the
	// request in livekit.EgressInfo. See Describe.
	Asked any
}

// Kind is where the media comes from.
type Kind string

// The kinds of sources.
const (
	// Tracks is one or two tracks, of which the sids are known.
	Tracks Kind = "tracks"
	// Participant is what somebody publishes, also anew after a reconnect.
	Participant Kind = "participant"
	// Media is more than that: sound of several, next to one picture or none.
	Media Kind = "media"
	// Room is everybody in a layout, or all that is heard.
	Room Kind = "room"
	// Web is a page.
	Web Kind = "web"
)

// Source is where the media comes from.
type Source struct {
	Kind Kind
	// Audio and Video say what is wanted of it. One at least is.
	Audio, Video bool

	// Of Tracks, and VideoTrack of Media too: sids, empty if there is none.
	AudioTrack, VideoTrack string
	// Of Participant, and of Media whose picture is somebody's: whose, and whether
	// the screen is preferred to the camera.
	Identity string
	Screen   bool
	// Routes say what is heard of Media, and on which side; Rest has everything else
	// on both sides.
	Routes []*livekit.AudioRoute
	Rest   bool

	// Of Room. BaseURL is of pages that lay it out, empty for the server's own.
	Layout, BaseURL string
	Mixing          livekit.AudioMixing
	// Of Web.
	URL        string
	AwaitStart bool

	// Direct says that one track is to be in one file, as it is, and nothing else
	// will do: StartTrackEgress, and the preset PASSTHROUGH.
	Direct bool
}

// Output is one thing that is made; one of the first five is there.
type Output struct {
	File     *livekit.FileOutput
	Segments *livekit.SegmentedFileOutput // without its storage
	Images   *livekit.ImageOutput         // without its storage
	// Stream is to RTMP or SRT.
	Stream *livekit.StreamOutput
	// Socket is the URL of a WebSocket, which gets sound as samples.
	Socket string
	// Storage is that of the output, or of the request; nil leaves it to the server.
	Storage *livekit.StorageConfig
}

// Error says what is wrong with a request.
type Error struct {
	Field   string // as in the API
	Problem string
}

// Error names the field and what is wrong with it.
func (e *Error) Error() string { return e.Field + " " + e.Problem }

// ErrorCode is that of bad arguments, as Twirp spells it.
func (e *Error) ErrorCode() string { return "invalid_argument" }

func wrong(field, format string, args ...any) error {
	return &Error{field, fmt.Sprintf(format, args...)}
}

// SourceType is how LiveKit calls how it gets at the media.
func (r *Request) SourceType() livekit.EgressSourceType {
	if r.Source.Kind == Web || r.Source.Kind == Room && (r.Source.Video || r.Source.BaseURL != "") {
		return livekit.EgressSourceType_EGRESS_SOURCE_TYPE_WEB
	}
	return livekit.EgressSourceType_EGRESS_SOURCE_TYPE_SDK
}

// Describe writes what was asked for into info.
func (r *Request) Describe(info *livekit.EgressInfo) {
	info.RoomName = r.Room
	info.SourceType = r.SourceType()
	switch asked := r.Asked.(type) {
	case *livekit.StartEgressRequest:
		info.Request = &livekit.EgressInfo_Egress{Egress: asked}
	case *livekit.RoomCompositeEgressRequest:
		info.Request = &livekit.EgressInfo_RoomComposite{RoomComposite: asked}
	case *livekit.WebEgressRequest:
		info.Request = &livekit.EgressInfo_Web{Web: asked}
	case *livekit.ParticipantEgressRequest:
		info.Request = &livekit.EgressInfo_Participant{Participant: asked}
	case *livekit.TrackCompositeEgressRequest:
		info.Request = &livekit.EgressInfo_TrackComposite{TrackComposite: asked}
	case *livekit.TrackEgressRequest:
		info.Request = &livekit.EgressInfo_Track{Track: asked}
	}
}
