package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// presetEgress reads what rooms of a preset have recorded by themselves: a RoomEgress
// of the API, with the names of its JSON or of its definition.
func presetEgress(path, where string, v value) *livekit.RoomEgress {
	e := new(livekit.RoomEgress)
	raw, err := json.Marshal(v.plain(path, e.ProtoReflect().Descriptor(), false))
	if err != nil {
		panic("BUG: encode a plain value: " + err.Error())
	}
	if err := protojson.Unmarshal(raw, e); err != nil {
		v.problem(where, path, "is no RoomEgress: %s", withoutValue(err))
		return nil
	}
	return e
}

// safeErrors are the beginnings of errors of protojson that say what is wrong, and hold
// names of keys only.
var safeErrors = regexp.MustCompile(`^(unknown field "[^"]*"|duplicate field "[^"]*"|error parsing "[^"]*", oneof [\w.]+ is already set|invalid value for \w+ field \w+|invalid value for \w+ key)`)

// withoutValue is what an error of protojson says, but for the value, which it repeats
// and which can be a secret, and for the place, which is none of the file's.
func withoutValue(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ") // which it writes now and then
	text = strings.TrimPrefix(text, "proto: ")
	if _, after, ok := strings.Cut(text, "): "); ok && strings.HasPrefix(text, "(line ") {
		text = after
	}
	if what := safeErrors.FindString(text); what != "" {
		return what
	}
	return "something is not of the kind that its key takes"
}

// plain is a value as package json encodes it, with scalars as text where text is
// wanted: a number can be a key. It reports what is wrong with mappings. in is the
// message that the value is to be, nil if it is none; text says that it is to be text.
func (v value) plain(path string, in protoreflect.MessageDescriptor, text bool) any {
	if items, ok := v.list(); ok && v.node != nil {
		list := make([]any, len(items))
		for i, item := range items {
			list[i] = item.plain(fmt.Sprintf("%s[%d]", path, i), in, text)
		}
		return list
	}
	_, mapping := v.resolved().(*ast.MappingNode)
	_, single := v.resolved().(*ast.MappingValueNode)
	if mapping || single || v.node == nil {
		all := make(map[string]any)
		v.entries(path, func(name, _ string, v value) {
			in, text := field(in, name)
			all[name] = v.plain(join(path, name), in, text)
		})
		return all
	}
	if v.isNull() {
		return nil
	}
	if s, ok := v.scalar(); ok && text {
		return s
	}
	if n, ok := v.number(); ok {
		return n
	}
	if _, ok := v.resolved().(*ast.BoolNode); ok {
		b, _ := v.boolean()
		return b
	}
	if s, ok := v.scalar(); ok {
		if _, ok := v.resolved().(*ast.FloatNode); ok && json.Valid([]byte(s)) {
			return json.Number(s)
		}
		return s
	}
	return nil
}

// field is what a message takes under a name, in itself or in each item of a list or a
// map: a message, text, or something else.
func field(in protoreflect.MessageDescriptor, name string) (message protoreflect.MessageDescriptor, text bool) {
	if in == nil {
		return nil, false
	}
	f := in.Fields().ByJSONName(name)
	if f == nil {
		f = in.Fields().ByTextName(name)
	}
	switch {
	case in.IsMapEntry():
		f = in.Fields().ByName("value")
	case f == nil:
		return nil, false
	}
	return f.Message(), f.Kind() == protoreflect.StringKind
}
