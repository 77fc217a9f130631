package event

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// viaProtojson is what encode has to write.
func viaProtojson(t testing.TB, w *livekit.WebhookEvent) string {
	t.Helper()
	raw, err := protojson.Marshal(w)
	if err != nil {
		return ""
	}
	return string(compact(raw))
}

// awkward is text that JSON escapes, or should not.
var awkward = []string{
	"", "plain", `"quoted" \back`, "\x00\x01\x1f\x7f\b\f\n\r\t", "naïve ☃ 𝄞 \u2028<>&", "\ufffd", " spaced  out ",
	"trailing\\", "cut \xe2\x82", "\xff",
}

// fill sets about half of the fields of m, at random, as deep as depth.
func fill(rng *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if rng.IntN(2) == 0 || depth == 0 && f.Message() != nil && !f.IsMap() {
			continue
		}
		switch {
		case f.IsMap():
			entries := m.Mutable(f).Map()
			for range rng.IntN(4) {
				if f.MapValue().Kind() != protoreflect.StringKind {
					continue
				}
				entries.Set(value(rng, f.MapKey()).MapKey(), value(rng, f.MapValue()))
			}
		case f.IsList():
			list := m.Mutable(f).List()
			for range rng.IntN(4) {
				if f.Message() != nil {
					fill(rng, list.AppendMutable().Message(), depth-1)
				} else {
					list.Append(value(rng, f))
				}
			}
		case f.Message() != nil:
			fill(rng, m.Mutable(f).Message(), depth-1)
		default:
			m.Set(f, value(rng, f))
		}
	}
}

func value(rng *rand.Rand, f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		text := awkward[rng.IntN(len(awkward))]
		if rng.IntN(16) != 0 {
			text = strings.ToValidUTF8(text, "?")
		}
		return protoreflect.ValueOfString(text)
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rng.IntN(2) == 0)
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		if rng.IntN(8) == 0 {
			return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rng.Int32()) - 1<<30)
		}
		return protoreflect.ValueOfEnum(values.Get(rng.IntN(values.Len())).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(rng.Uint32()))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(rng.Uint32())
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(rng.Uint64()))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(rng.Uint64())
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(rng.Float32())
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(rng.Float64())
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("bytes"))
	default:
		panic("no value for " + f.Kind().String())
	}
}

// With every field that the messages have, set or not: one that a later version
// of them adds, and encode does not know, is missed here.
func TestEncodeWritesWhatProtojsonDoes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	own := 0
	for range 2000 {
		w := new(livekit.WebhookEvent)
		fill(rng, w.ProtoReflect(), 4)
		if rng.IntN(8) != 0 { // most events are of neither
			w.EgressInfo, w.IngressInfo, w.Job = nil, nil, nil
		}
		if w.Participant != nil && rng.IntN(8) != 0 {
			w.Participant.DataTracks = nil
		}
		before := proto.CloneOf(w)
		got := encode(w)
		if !proto.Equal(before, w) {
			t.Fatalf("changed %v", before)
		}
		if got == nil {
			continue
		}
		own++
		if want := viaProtojson(t, w); string(got) != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
	if own < 200 {
		t.Errorf("only %d of 2000 were encoded without protojson", own)
	}
}

func TestEncodeWritesEmptyMessagesAndNilElements(t *testing.T) {
	for _, w := range []*livekit.WebhookEvent{
		{},
		{Room: &livekit.Room{}, Participant: &livekit.ParticipantInfo{}, Track: &livekit.TrackInfo{}},
		{Room: &livekit.Room{EnabledCodecs: []*livekit.Codec{nil, {}}, Version: &livekit.TimedVersion{}}},
		{Participant: &livekit.ParticipantInfo{Tracks: []*livekit.TrackInfo{nil}, Permission: &livekit.ParticipantPermission{}}},
		{Track: &livekit.TrackInfo{Layers: []*livekit.VideoLayer{nil}, Codecs: []*livekit.SimulcastCodecInfo{nil}}},
	} {
		if got, want := string(encode(w)), viaProtojson(t, w); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestWhatIsNotUTF8IsLeftToProtojson(t *testing.T) {
	for _, w := range []*livekit.WebhookEvent{
		{Id: "\xff"},
		{Participant: &livekit.ParticipantInfo{Attributes: map[string]string{"\xff": "v"}}},
		{Participant: &livekit.ParticipantInfo{Attributes: map[string]string{"k": "\xff"}}},
	} {
		if got := encode(w); got != nil {
			t.Errorf("got %q", got)
		}
	}
}

func FuzzEncodeText(f *testing.F) {
	for _, s := range awkward {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w := &livekit.WebhookEvent{Event: s, Participant: &livekit.ParticipantInfo{Attributes: map[string]string{s: s}}}
		if got, want := string(encode(w)), viaProtojson(t, w); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func BenchmarkBody(b *testing.B) {
	e := Event{
		Name: ParticipantJoined,
		Room: &livekit.Room{Sid: "RM_abcdefghijkl", Name: "room", CreationTimeMs: 1_700_000_000_123, Metadata: strings.Repeat("m", 100),
			EnabledCodecs: []*livekit.Codec{{Mime: "audio/opus"}, {Mime: "video/VP8"}}},
		Participant: &livekit.ParticipantInfo{Sid: "PA_abcdefghijkl", Identity: "identity", State: livekit.ParticipantInfo_ACTIVE,
			Metadata: strings.Repeat("m", 300), Permission: &livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true},
			Attributes: map[string]string{"plan": "free", "team": "red"}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Body("018bcfe5-6800-7000-8000-000000000001"); err != nil {
			b.Fatal(err)
		}
	}
}
