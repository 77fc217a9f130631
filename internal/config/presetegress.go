package config

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
)

// presetEgress reads what rooms of a preset have recorded by themselves: a RoomEgress
// of the API, with the names of its JSON or of its definition.
func presetEgress(path, where string, v value) *livekit.RoomEgress {
	raw, err := json.Marshal(v.plain(path))
	if err != nil {
		panic("BUG: encode a plain value: " + err.Error())
	}
	e := new(livekit.RoomEgress)
	if err := protojson.Unmarshal(raw, e); err != nil {
		// "proto: (line 1:2): what is wrong", of which the place is none of the file's.
		text := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
		if _, after, ok := strings.Cut(text, "): "); ok && strings.HasPrefix(text, "(line ") {
			text = after
		}
		v.problem(where, path, "is no RoomEgress: %s", text)
		return nil
	}
	return e
}

// plain is a value as package json encodes it. It reports what is wrong with mappings.
func (v value) plain(path string) any {
	if items, ok := v.list(); ok && v.node != nil {
		list := make([]any, len(items))
		for i, item := range items {
			list[i] = item.plain(fmt.Sprintf("%s[%d]", path, i))
		}
		return list
	}
	_, mapping := v.resolved().(*ast.MappingNode)
	_, single := v.resolved().(*ast.MappingValueNode)
	if mapping || single || v.node == nil {
		all := make(map[string]any)
		v.entries(path, func(name, _ string, v value) { all[name] = v.plain(join(path, name)) })
		return all
	}
	if v.isNull() {
		return nil
	}
	if n, ok := v.number(); ok {
		return n
	}
	if _, ok := v.resolved().(*ast.BoolNode); ok {
		b, _ := v.boolean()
		return b
	}
	if text, ok := v.scalar(); ok {
		if _, ok := v.resolved().(*ast.FloatNode); ok && json.Valid([]byte(text)) {
			return json.Number(text)
		}
		return text
	}
	return nil
}
