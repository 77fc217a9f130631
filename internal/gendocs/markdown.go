package gendocs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sample"
)

// FieldDocs returns what the source says of a field of a detail, by
// "Type.Field".
type FieldDocs map[string]string

// exampleID and exampleTime are those of every example.
const exampleID = "0190163d-8694-739b-aea5-966c26f8ad91"

var exampleTime = time.Unix(1_700_000_000, 0).UTC()

// example returns the body of an event, indented.
func example(name event.Name) string {
	e, ok := sample.Event(name, sample.Options{}, exampleTime)
	if !ok {
		panic("BUG: no example of " + string(name))
	}
	body, err := e.Body(exampleID)
	if err != nil {
		panic("BUG: body of an example: " + err.Error())
	}
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		panic("BUG: indent an example: " + err.Error())
	}
	return b.String()
}

const markdownHead = `# Events

<!-- Written by go test ./internal/gendocs -update from package event. Do not edit. -->

Every event is a webhook with this JSON body, and a record of the log that ` + "`GET /events`" + ` shows. The body is LiveKit's
` + "`WebhookEvent`" + ` in proto3 JSON: fields with their zero value are left out, 64-bit numbers are strings, and fields that you do
not know may come. [schema/events.schema.json](schema/events.schema.json) is its JSON Schema, [asyncapi.yaml](asyncapi.yaml)
an AsyncAPI document.

**Stock** events are LiveKit's own, and go to every endpoint. The others are beyond LiveKit's: an endpoint gets them if its
filter names them, by name or by a glob such as ` + "`track_*`" + `; what they add is in the field ` + "`rollcall`" + `. The log holds all.
An event that **closes** others is the last that is heard of what they opened.

Try a receiver with any of them: ` + "`rollcall trigger participant_joined --dev --to http://localhost:3000/webhook`" + `.

`

// Markdown returns docs/events.md.
func Markdown(docs FieldDocs) []byte {
	var b bytes.Buffer
	b.WriteString(markdownHead)
	b.WriteString("| event | of | goes to | closes |\n|---|---|---|---|\n")
	for _, d := range event.Catalogue() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", d.Name, d.Name, d.Scope, audience(d), closes(d))
	}
	for _, d := range event.Catalogue() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", d.Name, d.Doc)
		fmt.Fprintf(&b, "Goes to %s. Payload: %s.\n", audience(d), describePayload(d))
		if d.Detail != nil {
			detailTable(&b, reflect.TypeOf(d.Detail).Elem(), docs)
		}
		fmt.Fprintf(&b, "\n```json\n%s\n```\n", example(d.Name))
	}
	return b.Bytes()
}

func audience(d event.Definition) string {
	if d.Stock {
		return "every endpoint"
	}
	return "who asks for it"
}

func closes(d event.Definition) string {
	var names []string
	for _, n := range d.Closes {
		names = append(names, string(n))
	}
	return strings.Join(names, ", ")
}

// describePayload names the fields of the body, and how much is in them.
func describePayload(d event.Definition) string {
	text := ""
	for i, field := range payload(d.Scope) {
		if i > 0 {
			text += ", "
		}
		text += "`" + field + "`"
		switch {
		case d.Scope == event.ScopeTrack && field == "room":
			text += " (sid and name)"
		case d.Scope == event.ScopeTrack && field == "participant":
			text += " (sid, identity and name)"
		}
	}
	if d.Scope == event.ScopeTrack {
		text += "; the whole room and participant for endpoints with fullTrackContext"
	}
	if d.Name == event.RoomFinished {
		text += ", `roomEndReason`"
	}
	return text
}

func detailTable(b *bytes.Buffer, t reflect.Type, docs FieldDocs) {
	b.WriteString("\n| rollcall. | type | |\n|---|---|---|\n")
	for _, f := range detailFields(t) {
		kind := fmt.Sprint(f.schema["type"])
		switch {
		case f.schema["format"] != nil:
			kind = "time"
		case kind == "array":
			kind = fmt.Sprintf("array of %v", f.schema["items"].(object)["type"])
		case kind == "object":
			kind = fmt.Sprintf("object of %v", f.schema["additionalProperties"].(object)["type"])
		}
		if f.optional {
			kind += ", may be absent"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", f.name, kind, docs[t.Name()+"."+f.goName])
	}
}
