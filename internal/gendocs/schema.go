package gendocs

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/rollcall-rtc/rollcall/event"
)

// object is a JSON object; encoding/json sorts its keys, so that a document is
// the same each time.
type object = map[string]any

// Schema returns the JSON Schema of webhook bodies. Receivers must let through
// fields that they do not know, and so does it, unless it is strict.
func Schema(strict bool) []byte {
	g := schemaGenerator{defs: object{}, strict: strict}
	webhook := (&livekit.WebhookEvent{}).ProtoReflect().Descriptor()
	properties := g.properties(webhook)
	properties["event"] = object{"type": "string", "description": "The event's name. Names that are not in the list may come with a newer server.", "examples": names()}
	properties["id"] = object{"type": "string", "minLength": 1, "description": "The same on every attempt at this event."}
	properties["createdAt"] = object{"type": "string", "pattern": "^[0-9]+$", "description": "When it happened, in seconds since 1970."}
	properties["rollcall"] = object{"type": "object", "description": "What an event beyond LiveKit's adds."}

	var rules []any
	for _, d := range event.Catalogue() {
		then := object{"required": payload(d.Scope)}
		if d.Detail != nil {
			then["required"] = append(payload(d.Scope), "rollcall")
			then["properties"] = object{"rollcall": g.detail(reflect.TypeOf(d.Detail).Elem())}
		}
		rules = append(rules, object{"if": object{"properties": object{"event": object{"const": d.Name}}}, "then": then})
	}
	schema := object{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"$id":         "urn:rollcall:schema:events",
		"title":       "Rollcall webhook body",
		"description": "The JSON that is POSTed for one event: LiveKit's WebhookEvent. Fields with their zero value are left out; 64-bit numbers are strings.",
		"type":        "object",
		"required":    []string{"event", "id", "createdAt"},
		"properties":  properties,
		"allOf":       rules,
		"$defs":       g.defs,
	}
	if strict {
		schema["additionalProperties"] = false
		schema["properties"].(object)["event"] = object{"enum": names()}
	}
	out, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic("BUG: marshal the schema: " + err.Error())
	}
	return append(out, '\n')
}

func names() []event.Name {
	var all []event.Name
	for _, d := range event.Catalogue() {
		all = append(all, d.Name)
	}
	return all
}

// payload is which fields an event of that scope has.
func payload(s event.Scope) []string {
	switch s {
	case event.ScopeParticipant:
		return []string{"room", "participant"}
	case event.ScopeTrack:
		return []string{"room", "participant", "track"}
	case event.ScopeEgress:
		return []string{"egressInfo"}
	case event.ScopeIngress:
		return []string{"ingressInfo"}
	case event.ScopeJob:
		return []string{"job"}
	default:
		return []string{"room"}
	}
}

type schemaGenerator struct {
	defs   object // by the name of the message or type
	strict bool
}

// message returns a reference to the schema of m, which it adds to defs.
func (g *schemaGenerator) message(m protoreflect.MessageDescriptor) object {
	name := string(m.Name())
	if parent, ok := m.Parent().(protoreflect.MessageDescriptor); ok {
		name = string(parent.Name()) + "." + name
	}
	if _, ok := g.defs[name]; !ok {
		def := object{"type": "object"}
		g.defs[name] = def // before its fields, which may be of it
		def["properties"] = g.properties(m)
		if g.strict {
			def["additionalProperties"] = false
		}
	}
	return object{"$ref": "#/$defs/" + name}
}

func (g *schemaGenerator) properties(m protoreflect.MessageDescriptor) object {
	properties := object{}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		properties[f.JSONName()] = g.field(f)
	}
	return properties
}

// field is the schema of a field as protojson writes it.
func (g *schemaGenerator) field(f protoreflect.FieldDescriptor) object {
	switch {
	case f.IsMap():
		return object{"type": "object", "additionalProperties": g.value(f.MapValue())}
	case f.IsList():
		return object{"type": "array", "items": g.value(f)}
	default:
		return g.value(f)
	}
}

func (g *schemaGenerator) value(f protoreflect.FieldDescriptor) object {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if f.Message().ParentFile().Package() == "google.protobuf" {
			return wellKnown(f.Message().Name())
		}
		return g.message(f.Message())
	case protoreflect.EnumKind:
		var values []string
		for i := range f.Enum().Values().Len() {
			values = append(values, string(f.Enum().Values().Get(i).Name()))
		}
		return object{"type": "string", "enum": values}
	case protoreflect.BoolKind:
		return object{"type": "boolean"}
	case protoreflect.StringKind:
		return object{"type": "string"}
	case protoreflect.BytesKind:
		return object{"type": "string", "contentEncoding": "base64"}
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return object{"type": "number"}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return object{"type": "string", "pattern": "^-?[0-9]+$"}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return object{"type": "string", "pattern": "^[0-9]+$"}
	default:
		return object{"type": "integer"}
	}
}

// wellKnown is the schema of a message that protojson writes in a way of its
// own.
func wellKnown(name protoreflect.Name) object {
	switch name {
	case "Timestamp":
		return object{"type": "string", "format": "date-time"}
	case "Duration":
		return object{"type": "string", "pattern": `^-?[0-9]+(\.[0-9]+)?s$`}
	default:
		return object{}
	}
}

// detail returns a reference to the schema of a type of package event.
func (g *schemaGenerator) detail(t reflect.Type) object {
	name := "Rollcall" + t.Name()
	if _, ok := g.defs[name]; !ok {
		properties, required := object{}, []string{}
		for _, f := range detailFields(t) {
			properties[f.name] = f.schema
			if !f.optional {
				required = append(required, f.name)
			}
		}
		def := object{"type": "object", "properties": properties, "required": required}
		if g.strict {
			def["additionalProperties"] = false
		}
		g.defs[name] = def
	}
	return object{"$ref": "#/$defs/" + name}
}

// detailField is one field of a detail.
type detailField struct {
	name     string // in JSON
	goName   string
	optional bool
	schema   object
}

func detailFields(t reflect.Type) []detailField {
	var fields []detailField
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields = append(fields, detailField{name: name, goName: f.Name, optional: strings.Contains(options, "omit"), schema: goSchema(f.Type)})
	}
	return fields
}

// goSchema is the schema of a Go type as encoding/json writes it.
func goSchema(t reflect.Type) object {
	if t == reflect.TypeFor[time.Time]() {
		return object{"type": "string", "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": goSchema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": goSchema(t.Elem())}
	default:
		panic(fmt.Sprintf("BUG: no schema for a detail's %s", t))
	}
}
