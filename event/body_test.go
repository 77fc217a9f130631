package event_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/rollcall-rtc/rollcall/event"
)

func TestBodiesRoundTripThroughProtoJSON(t *testing.T) {
	for _, d := range event.Catalogue() {
		e := sample(t, d.Name)
		b := body(t, e)
		if !d.Stock {
			b = withoutDetail(t, b, e.Detail)
		}
		var w livekit.WebhookEvent // strict: no unknown field, no unknown enum name
		if err := protojson.Unmarshal(b, &w); err != nil {
			t.Errorf("%s: %v", d.Name, err)
			continue
		}
		again, err := protojson.Marshal(&w)
		if err != nil {
			t.Fatal(err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, again); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(compact.String(), string(b)); d != "" {
			t.Errorf("(-protojson +body):\n%s", d)
		}
		r := event.Record{Seq: 1, Body: b}
		decoded, err := r.Webhook()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&w, decoded, protocmp.Transform()); d != "" {
			t.Errorf("%s: Record.Webhook (-want +got):\n%s", w.Event, d)
		}
	}
}

// withoutDetail checks that the body ends with the field "rollcall" holding the
// detail, if there is one, and returns the body without it.
func withoutDetail(t *testing.T, body []byte, detail any) []byte {
	t.Helper()
	if detail == nil {
		return body
	}
	want, err := json.Marshal(detail)
	if err != nil {
		t.Fatal(err)
	}
	stock, ok := bytes.CutSuffix(body, []byte(`,"rollcall":`+string(want)+`}`))
	if !ok {
		t.Fatalf("%s does not end with the detail %s", body, want)
	}
	return append(bytes.Clone(stock), '}')
}

func TestStockEventsCarryNothingOfOurs(t *testing.T) {
	for _, d := range event.Catalogue() {
		if !d.Stock {
			continue
		}
		e := sample(t, d.Name)
		want := body(t, e)
		e.Detail = &event.Lost{Cause: "signal"}
		if got := body(t, e); string(got) != string(want) {
			t.Errorf("%s: %s", d.Name, got)
		}
	}
}

// The strictest receivers parse the body by LiveKit's JSON schema alone.
func TestBodiesKeepToTheWire(t *testing.T) {
	for _, d := range event.Catalogue() {
		b := body(t, sample(t, d.Name))
		decoder := json.NewDecoder(bytes.NewReader(b))
		decoder.UseNumber()
		var tree map[string]any
		if err := decoder.Decode(&tree); err != nil {
			t.Fatal(err)
		}
		if !d.Stock {
			delete(tree, "rollcall")
		}
		for _, problem := range offWire(string(d.Name), tree, new(livekit.WebhookEvent).ProtoReflect().Descriptor()) {
			t.Error(problem)
		}
		if tree["event"] != string(d.Name) || tree["id"] != sampleID || tree["createdAt"] != "1700000006" {
			t.Errorf("%s: event %v, id %v, createdAt %v", d.Name, tree["event"], tree["id"], tree["createdAt"])
		}
	}
}

// offWire lists what in an object of that message is not as receivers expect:
// keys in lowerCamelCase, 64 bit integers as strings, enums by name, no zeros.
func offWire(path string, object map[string]any, message protoreflect.MessageDescriptor) (problems []string) {
	report := func(format string, args ...any) {
		problems = append(problems, path+": "+fmt.Sprintf(format, args...))
	}
	for key, value := range object {
		f := message.Fields().ByJSONName(key)
		if f == nil || strings.Contains(key, "_") {
			report("key %q", key)
			continue
		}
		if f.IsMap() {
			if m, ok := value.(map[string]any); !ok || len(m) == 0 {
				report("%s is %v", key, value)
			}
			continue
		}
		values := []any{value}
		if f.IsList() {
			values, _ = value.([]any)
			if len(values) == 0 {
				report("%s is an empty list", key)
			}
		}
		zeroAllowed := f.IsList() || f.HasPresence()
		for _, v := range values {
			switch f.Kind() {
			case protoreflect.MessageKind:
				o, ok := v.(map[string]any)
				if !ok {
					report("%s is %v", key, v)
				}
				problems = append(problems, offWire(path+"."+key, o, f.Message())...)
			case protoreflect.EnumKind:
				name, _ := v.(string)
				if e := f.Enum().Values().ByName(protoreflect.Name(name)); e == nil || e.Number() == 0 && !zeroAllowed {
					report("%s is %v", key, v)
				}
			case protoreflect.Int64Kind, protoreflect.Uint64Kind:
				if s, ok := v.(string); !ok || s == "" || s == "0" && !zeroAllowed {
					report("%s is %v, not a string or zero", key, v)
				}
			case protoreflect.StringKind:
				if s, ok := v.(string); !ok || s == "" && !zeroAllowed {
					report("%s is %v", key, v)
				}
			case protoreflect.BoolKind:
				if v != true && !zeroAllowed {
					report("%s is %v", key, v)
				}
			default:
				if n, ok := v.(json.Number); !ok || n == "0" && !zeroAllowed {
					report("%s is %v", key, v)
				}
			}
		}
	}
	return problems
}

func TestTheWireCheckSeesWhatReceiversRefuse(t *testing.T) {
	message := new(livekit.WebhookEvent).ProtoReflect().Descriptor()
	for _, bad := range []string{
		`{"created_at":"1"}`, `{"createdAt":1}`, `{"createdAt":"0"}`, `{"event":""}`, `{"extra":true}`,
		`{"room":{"numParticipants":0}}`, `{"participant":{"state":2}}`, `{"participant":{"state":"JOINING"}}`,
		`{"participant":{"isPublisher":false}}`, `{"participant":{"tracks":[]}}`,
	} {
		decoder := json.NewDecoder(strings.NewReader(bad))
		decoder.UseNumber()
		var tree map[string]any
		if err := decoder.Decode(&tree); err != nil {
			t.Fatal(err)
		}
		if len(offWire("", tree, message)) != 1 {
			t.Errorf("%s passes", bad)
		}
	}
}

func TestTrackEventsCarryWhatLiveKitDocuments(t *testing.T) {
	for _, name := range []event.Name{event.TrackPublished, event.TrackUnpublished} {
		r := event.Record{Body: body(t, sample(t, name))}
		w, err := r.Webhook()
		if err != nil {
			t.Fatal(err)
		}
		want := &livekit.WebhookEvent{
			Event: string(name), Id: sampleID, CreatedAt: 1_700_000_006,
			Room:        &livekit.Room{Sid: "RM_hvYuLGxcXyZB", Name: "daily-standup"},
			Participant: &livekit.ParticipantInfo{Sid: "PA_pTGMLVRHzKsL", Identity: "anna", Name: "Anna Ä"},
			Track:       sampleTrack(),
		}
		if d := cmp.Diff(want, w, protocmp.Transform()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestBodyChangesNothingOfTheEvent(t *testing.T) {
	for _, d := range event.Catalogue() {
		e, untouched := sample(t, d.Name), sample(t, d.Name)
		body(t, e)
		if diff := cmp.Diff(untouched, e, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-before +after):\n%s", d.Name, diff)
		}
	}
}

func TestTextThatIsNotUTF8FailsUntilMadeValid(t *testing.T) {
	for _, d := range event.Catalogue() {
		e := sample(t, d.Name)
		e.Room = &livekit.Room{Name: "caf\xe9", Metadata: "\xff"}
		if _, err := e.Body(sampleID); err == nil {
			t.Errorf("%s: a body with invalid text", d.Name)
		}
		valid := e.ValidUTF8()
		if b := body(t, valid); !bytes.Contains(b, []byte("caf\uFFFD")) {
			t.Errorf("%s: %s", d.Name, b)
		}
		if e.Room.Name != "caf\xe9" {
			t.Errorf("%s: the event's own room was changed", d.Name)
		}
	}
}

func TestBodyKeepsEscapedAndSpacedText(t *testing.T) {
	for _, text := range []string{" ", ` "quoted: , " `, `back\slash\`, `\"`, "line\nfeed\ttab", "\u2028 <a href=\"x\"> &", "🎥 ä", "\\\\\" : "} {
		e := event.Event{Name: event.RoomStarted, Room: &livekit.Room{Sid: text, Name: text, Metadata: text}}
		r := event.Record{Body: body(t, e)}
		w, err := r.Webhook()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if w.Room.Name != text || w.Room.Metadata != text || w.Room.Sid != text {
			t.Errorf("%q came back as %q", text, w.Room)
		}
	}
}

func FuzzBodyRoundTrip(f *testing.F) {
	f.Add("daily-standup", `{"a": "b , c"}`, "key", " value ")
	f.Add(`\`, `"`, `\"`, `\\" : `)
	f.Fuzz(func(t *testing.T, name, metadata, key, value string) {
		e := event.Event{Name: event.ParticipantJoined, Room: &livekit.Room{Name: name},
			Participant: &livekit.ParticipantInfo{Identity: name, Metadata: metadata, Attributes: map[string]string{key: value}}}
		e = e.ValidUTF8()
		r := event.Record{Body: body(t, e)}
		w, err := r.Webhook()
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(w.Participant, e.Participant) || w.Room.Name != e.Room.Name {
			t.Fatalf("%v came back as %v", e.Participant, w.Participant)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, r.Body); err != nil || compact.String() != string(r.Body) {
			t.Fatalf("%s is not compact, %v", r.Body, err)
		}
	})
}
