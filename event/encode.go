package event

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/livekit/protocol/livekit"
)

// encoder writes the proto3 JSON of the messages that most events consist of,
// byte for byte as protojson does but for its spaces: reflection is most of what
// an event costs the log. What it does not know it leaves to protojson.
type encoder struct {
	b []byte
	// unfit: the message holds what only protojson can tell, or refuses.
	unfit bool
}

// encode returns the JSON of w, nil if that is for protojson to say.
func encode(w *livekit.WebhookEvent) []byte {
	if w.EgressInfo != nil || w.IngressInfo != nil || w.Job != nil {
		return nil
	}
	e := encoder{b: make([]byte, 0, roomFor(w))}
	e.webhook(w)
	if e.unfit {
		return nil
	}
	if cap(e.b)-len(e.b) > len(e.b)/4 {
		return slices.Clone(e.b) // it is kept for long
	}
	return e.b
}

// roomFor guesses the size of the JSON, for most events a little too large.
func roomFor(w *livekit.WebhookEvent) int {
	r, p := w.Room, w.Participant
	n := 256
	if r != nil {
		n += 256 + len(r.Name) + len(r.Metadata) + 32*len(r.EnabledCodecs)
	}
	if p != nil {
		n += 384 + len(p.Identity) + len(p.Name) + len(p.Metadata) + 64*len(p.Attributes) + 768*len(p.Tracks)
	}
	if w.Track != nil {
		n += 1024
	}
	return n
}

// Fields are written in the order in which the messages declare them.

func (e *encoder) webhook(w *livekit.WebhookEvent) {
	e.open()
	e.text("event", w.Event)
	if w.Room != nil {
		e.name("room")
		e.room(w.Room)
	}
	if w.Participant != nil {
		e.name("participant")
		e.participant(w.Participant)
	}
	if w.Track != nil {
		e.name("track")
		e.track(w.Track)
	}
	e.text("id", w.Id)
	e.long("createdAt", w.CreatedAt)
	e.number("numDropped", int64(w.NumDropped))
	e.enum("roomEndReason", int32(w.RoomEndReason), livekit.RoomEndReason_name)
	e.shut()
}

func (e *encoder) room(r *livekit.Room) {
	e.open()
	e.text("sid", r.Sid)
	e.text("name", r.Name)
	e.number("emptyTimeout", int64(r.EmptyTimeout))
	e.number("departureTimeout", int64(r.DepartureTimeout))
	e.number("maxParticipants", int64(r.MaxParticipants))
	e.long("creationTime", r.CreationTime)
	e.long("creationTimeMs", r.CreationTimeMs)
	e.text("turnPassword", r.TurnPassword)
	if len(r.EnabledCodecs) > 0 {
		e.list("enabledCodecs")
		for _, c := range r.EnabledCodecs {
			e.element()
			e.open()
			e.text("mime", c.GetMime())
			e.text("fmtpLine", c.GetFmtpLine())
			e.shut()
		}
		e.end()
	}
	e.text("metadata", r.Metadata)
	e.number("numParticipants", int64(r.NumParticipants))
	e.number("numPublishers", int64(r.NumPublishers))
	e.flag("activeRecording", r.ActiveRecording)
	e.version(r.Version)
	e.shut()
}

func (e *encoder) participant(p *livekit.ParticipantInfo) {
	if len(p.DataTracks) > 0 {
		e.unfit = true
		return
	}
	e.open()
	e.text("sid", p.Sid)
	e.text("identity", p.Identity)
	e.enum("state", int32(p.State), livekit.ParticipantInfo_State_name)
	if len(p.Tracks) > 0 {
		e.list("tracks")
		for _, t := range p.Tracks {
			e.element()
			e.track(t)
		}
		e.end()
	}
	e.text("metadata", p.Metadata)
	e.long("joinedAt", p.JoinedAt)
	e.long("joinedAtMs", p.JoinedAtMs)
	e.text("name", p.Name)
	e.number("version", int64(p.Version))
	if p.Permission != nil {
		e.name("permission")
		e.permission(p.Permission)
	}
	e.text("region", p.Region)
	e.flag("isPublisher", p.IsPublisher)
	e.enum("kind", int32(p.Kind), livekit.ParticipantInfo_Kind_name)
	e.attributes(p.Attributes)
	e.enum("disconnectReason", int32(p.DisconnectReason), livekit.DisconnectReason_name)
	enums(e, "kindDetails", p.KindDetails, livekit.ParticipantInfo_KindDetail_name)
	e.number("clientProtocol", int64(p.ClientProtocol))
	enums(e, "capabilities", p.Capabilities, livekit.ClientInfo_Capability_name)
	e.shut()
}

func (e *encoder) permission(p *livekit.ParticipantPermission) {
	e.open()
	e.flag("canSubscribe", p.CanSubscribe)
	e.flag("canPublish", p.CanPublish)
	e.flag("canPublishData", p.CanPublishData)
	enums(e, "canPublishSources", p.CanPublishSources, livekit.TrackSource_name)
	e.flag("hidden", p.Hidden)
	e.flag("recorder", p.Recorder) //nolint:staticcheck // receivers still read it
	e.flag("canUpdateMetadata", p.CanUpdateMetadata)
	e.flag("agent", p.Agent) //nolint:staticcheck // likewise
	e.flag("canSubscribeMetrics", p.CanSubscribeMetrics)
	e.flag("canManageAgentSession", p.CanManageAgentSession)
	e.shut()
}

func (e *encoder) track(t *livekit.TrackInfo) {
	e.open()
	if t == nil {
		e.shut()
		return
	}
	e.text("sid", t.Sid)
	e.enum("type", int32(t.Type), livekit.TrackType_name)
	e.text("name", t.Name)
	e.flag("muted", t.Muted)
	e.number("width", int64(t.Width))
	e.number("height", int64(t.Height))
	e.flag("simulcast", t.Simulcast)   //nolint:staticcheck // likewise
	e.flag("disableDtx", t.DisableDtx) //nolint:staticcheck // likewise
	e.enum("source", int32(t.Source), livekit.TrackSource_name)
	e.layers(t.Layers) //nolint:staticcheck // likewise
	e.text("mimeType", t.MimeType)
	e.text("mid", t.Mid)
	if len(t.Codecs) > 0 {
		e.list("codecs")
		for _, c := range t.Codecs {
			e.element()
			e.open()
			e.text("mimeType", c.GetMimeType())
			e.text("mid", c.GetMid())
			e.text("cid", c.GetCid())
			e.layers(c.GetLayers())
			e.enum("videoLayerMode", int32(c.GetVideoLayerMode()), livekit.VideoLayer_Mode_name)
			e.text("sdpCid", c.GetSdpCid())
			e.shut()
		}
		e.end()
	}
	e.flag("stereo", t.Stereo) //nolint:staticcheck // likewise
	e.flag("disableRed", t.DisableRed)
	e.enum("encryption", int32(t.Encryption), livekit.Encryption_Type_name)
	e.text("stream", t.Stream)
	e.version(t.Version)
	enums(e, "audioFeatures", t.AudioFeatures, livekit.AudioTrackFeature_name)
	e.enum("backupCodecPolicy", int32(t.BackupCodecPolicy), livekit.BackupCodecPolicy_name)
	enums(e, "packetTrailerFeatures", t.PacketTrailerFeatures, livekit.PacketTrailerFeature_name)
	e.shut()
}

func (e *encoder) layers(all []*livekit.VideoLayer) {
	if len(all) == 0 {
		return
	}
	e.list("layers")
	for _, l := range all {
		e.element()
		e.open()
		e.enum("quality", int32(l.GetQuality()), livekit.VideoQuality_name)
		e.number("width", int64(l.GetWidth()))
		e.number("height", int64(l.GetHeight()))
		e.number("bitrate", int64(l.GetBitrate()))
		e.number("ssrc", int64(l.GetSsrc()))
		e.number("spatialLayer", int64(l.GetSpatialLayer()))
		e.text("rid", l.GetRid())
		e.number("repairSsrc", int64(l.GetRepairSsrc()))
		e.shut()
	}
	e.end()
}

func (e *encoder) version(v *livekit.TimedVersion) {
	if v == nil {
		return
	}
	e.name("version")
	e.open()
	e.long("unixMicro", v.UnixMicro)
	e.number("ticks", int64(v.Ticks))
	e.shut()
}

func (e *encoder) attributes(all map[string]string) {
	if len(all) == 0 {
		return
	}
	var space [16]string
	keys := space[:0]
	for k := range all {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	e.name("attributes")
	e.open()
	for _, k := range keys {
		e.element()
		e.quote(k)
		e.b = append(e.b, ':')
		e.quote(all[k])
	}
	e.shut()
}

// enums is a list of enums; one that has no name is a number.
func enums[T ~int32](e *encoder, name string, values []T, names map[int32]string) {
	if len(values) == 0 {
		return
	}
	e.list(name)
	for _, v := range values {
		e.element()
		e.enumValue(int32(v), names)
	}
	e.end()
}

func (e *encoder) open() { e.b = append(e.b, '{') }
func (e *encoder) shut() { e.b = append(e.b, '}') }
func (e *encoder) end()  { e.b = append(e.b, ']') }

func (e *encoder) list(name string) {
	e.name(name)
	e.b = append(e.b, '[')
}

// element separates from what comes before within the same brackets.
func (e *encoder) element() {
	if last := e.b[len(e.b)-1]; last != '{' && last != '[' {
		e.b = append(e.b, ',')
	}
}

func (e *encoder) name(name string) {
	e.element()
	e.b = append(e.b, '"')
	e.b = append(e.b, name...)
	e.b = append(e.b, '"', ':')
}

// Fields of the zero value are left out.

func (e *encoder) text(name, s string) {
	if s != "" {
		e.name(name)
		e.quote(s)
	}
}

func (e *encoder) number(name string, n int64) {
	if n != 0 {
		e.name(name)
		e.b = strconv.AppendInt(e.b, n, 10)
	}
}

// long is a number of 64 bits, which proto3 JSON writes as a string.
func (e *encoder) long(name string, n int64) {
	if n != 0 {
		e.name(name)
		e.b = append(e.b, '"')
		e.b = strconv.AppendInt(e.b, n, 10)
		e.b = append(e.b, '"')
	}
}

func (e *encoder) flag(name string, on bool) {
	if on {
		e.name(name)
		e.b = append(e.b, "true"...)
	}
}

func (e *encoder) enum(name string, n int32, names map[int32]string) {
	if n != 0 {
		e.name(name)
		e.enumValue(n, names)
	}
}

func (e *encoder) enumValue(n int32, names map[int32]string) {
	if name, ok := names[n]; ok {
		e.b = append(e.b, '"')
		e.b = append(e.b, name...)
		e.b = append(e.b, '"')
	} else {
		e.b = strconv.AppendInt(e.b, int64(n), 10)
	}
}

const hex = "0123456789abcdef"

// quote writes a string (RFC 8259 §7); what is not UTF-8 is not fit for JSON.
func (e *encoder) quote(s string) {
	if !utf8.ValidString(s) {
		e.unfit = true
		return
	}
	e.b = append(e.b, '"')
	done := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		e.b = append(e.b, s[done:i]...)
		done = i + 1
		switch c {
		case '"', '\\':
			e.b = append(e.b, '\\', c)
		case '\b':
			e.b = append(e.b, '\\', 'b')
		case '\f':
			e.b = append(e.b, '\\', 'f')
		case '\n':
			e.b = append(e.b, '\\', 'n')
		case '\r':
			e.b = append(e.b, '\\', 'r')
		case '\t':
			e.b = append(e.b, '\\', 't')
		default:
			e.b = append(e.b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	e.b = append(e.b, s[done:]...)
	e.b = append(e.b, '"')
}
