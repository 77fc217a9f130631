package room

import (
	"fmt"
	"unicode/utf8"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// check says whether a display name, metadata and attributes are within the
// limits and valid UTF-8, without which no message can carry them.
func (l Limits) check(name, metadata string, attributes map[string]string) error {
	if err := checkText("name", name, l.MaxName); err != nil {
		return err
	}
	if err := checkText("metadata", metadata, l.MaxMetadata); err != nil {
		return err
	}
	total := 0
	for k, v := range attributes {
		total += len(k) + len(v)
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return invalid("attributes must be valid UTF-8")
		}
	}
	if total > l.MaxAttributes {
		return invalid("attributes are %d bytes together, the limit is %d", total, l.MaxAttributes)
	}
	return nil
}

// The limits of a room's tags: each of its events carries them.
const (
	maxTags     = 32
	maxTagBytes = 4 << 10
)

func checkTags(tags map[string]string) error {
	total := 0
	for k, v := range tags {
		total += len(k) + len(v)
		if k == "" || !utf8.ValidString(k) || !utf8.ValidString(v) {
			return invalid("tags must have names and be valid UTF-8")
		}
	}
	if len(tags) > maxTags || total > maxTagBytes {
		return invalid("%d tags of %d bytes, the limit is %d of %d", len(tags), total, maxTags, maxTagBytes)
	}
	return nil
}

// The limits of what a client says of itself: others are told of its capabilities, as are
// all events of its participant, and the rest is kept while it is there. SDKs say some
// hundred bytes, and have two capabilities.
const (
	maxClientInfo   = 4 << 10 // bytes of text
	maxCapabilities = 16
)

func checkClient(client *livekit.ClientInfo) error {
	if n := len(client.GetCapabilities()); n > maxCapabilities {
		return invalid("the client has %d capabilities, the limit is %d", n, maxCapabilities)
	}
	if n := clientText(client); n > maxClientInfo {
		return invalid("client_info has %d bytes of text, the limit is %d", n, maxClientInfo)
	}
	return nil
}

// clientText is how long the texts of a client are, in bytes, with what is not known of
// it. The rest of it, but for its capabilities, is a few numbers. proto.Size, which looks
// them all up, was a hundredth of a join without media.
func clientText(c *livekit.ClientInfo) int {
	if c == nil {
		return 0
	}
	return len(c.Version) + len(c.Os) + len(c.OsVersion) + len(c.DeviceModel) + len(c.Browser) + len(c.BrowserVersion) +
		len(c.Address) + len(c.Network) + len(c.OtherSdks) + len(c.ProtoReflect().GetUnknown())
}

func (l Limits) checkRoomName(name string) error {
	if name == "" {
		return invalid("room name is required")
	}
	return checkText("room name", name, l.MaxRoomName)
}

func checkText(what, text string, limit int) error {
	if len(text) > limit {
		return invalid("%s is %d bytes long, the limit is %d", what, len(text), limit)
	}
	if !utf8.ValidString(text) {
		return invalid("%s must be valid UTF-8", what)
	}
	return nil
}

// The limits of what a client announces: everybody is told of it, over and over, and
// each event of its participant carries it. SDKs announce two codecs, three layers and
// seven features in some hundred bytes.
const (
	maxAnnouncedCodecs   = 4
	maxAnnouncedLayers   = 8 // of the track, and of each codec
	maxAudioFeatures     = 16
	maxTrackAnnouncement = 16 << 10 // bytes, without the name
	maxDataAnnouncement  = 4 << 10  // bytes, without the name
)

// checkAnnouncement says why a track cannot be announced so, or nothing.
func (l Limits) checkAnnouncement(req *livekit.AddTrackRequest) (livekit.RequestResponse_Reason, string) {
	if len(req.Name) > l.MaxName || len(req.Cid) > l.MaxName {
		return livekit.RequestResponse_INVALID_NAME, fmt.Sprintf("cid or name is too long, the limit is %d bytes", l.MaxName)
	}
	layers := len(req.Layers)
	for _, c := range req.SimulcastCodecs {
		layers = max(layers, len(c.Layers))
	}
	for _, bound := range []struct {
		what     string
		n, limit int
	}{
		{"simulcast_codecs", len(req.SimulcastCodecs), maxAnnouncedCodecs},
		{"layers", layers, maxAnnouncedLayers},
		{"audio_features", len(req.AudioFeatures), maxAudioFeatures},
		{"bytes", proto.Size(req) - len(req.Name), maxTrackAnnouncement},
	} {
		if bound.n > bound.limit {
			return livekit.RequestResponse_LIMIT_EXCEEDED,
				fmt.Sprintf("the announcement of the track has %d %s, the limit is %d", bound.n, bound.what, bound.limit)
		}
	}
	return livekit.RequestResponse_OK, ""
}
