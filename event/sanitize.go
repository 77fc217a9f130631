package event

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ValidUTF8 returns the event with every byte sequence in its text that is not
// UTF-8 replaced by U+FFFD, so that it has a Body. The messages are copies.
func (e *Event) ValidUTF8() Event {
	v := *e
	v.Name = Name(validText(string(e.Name)))
	v.Room = validMessage(e.Room)
	v.Participant = validMessage(e.Participant)
	v.Track = validMessage(e.Track)
	v.Egress = validMessage(e.Egress)
	v.Ingress = validMessage(e.Ingress)
	v.Job = validMessage(e.Job)
	v.Reason = validText(e.Reason)
	return v
}

func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func validMessage[M proto.Message](m M) M {
	if !m.ProtoReflect().IsValid() {
		return m // a nil message
	}
	m = proto.CloneOf(m)
	eachText(m.ProtoReflect(), func(_ protoreflect.FieldDescriptor, s string) string { return validText(s) })
	return m
}

// eachText replaces each text in m, and in the messages within, by what replace
// makes of it: a text field's value, the elements of a list, and the keys and
// values of a map.
func eachText(m protoreflect.Message, replace func(protoreflect.FieldDescriptor, string) string) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			eachMapText(f, v.Map(), replace)
		case f.IsList() && f.Kind() == protoreflect.StringKind:
			for list, i := v.List(), 0; i < list.Len(); i++ {
				if s := list.Get(i).String(); replace(f, s) != s {
					list.Set(i, protoreflect.ValueOfString(replace(f, s)))
				}
			}
		case f.IsList() && f.Message() != nil:
			for list, i := v.List(), 0; i < list.Len(); i++ {
				eachText(list.Get(i).Message(), replace)
			}
		case f.IsList():
		case f.Kind() == protoreflect.StringKind:
			if s := v.String(); replace(f, s) != s {
				m.Set(f, protoreflect.ValueOfString(replace(f, s)))
			}
		case f.Message() != nil:
			eachText(v.Message(), replace)
		}
		return true
	})
}

func eachMapText(f protoreflect.FieldDescriptor, m protoreflect.Map, replace func(protoreflect.FieldDescriptor, string) string) {
	type entry struct {
		key   protoreflect.MapKey
		value protoreflect.Value
	}
	var entries []entry
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		entries = append(entries, entry{k, v})
		return true
	})
	for _, e := range entries {
		key, value := e.key, e.value
		switch {
		case f.MapValue().Kind() == protoreflect.StringKind:
			value = protoreflect.ValueOfString(replace(f.MapValue(), value.String()))
		case f.MapValue().Message() != nil:
			eachText(value.Message(), replace)
		}
		if f.MapKey().Kind() == protoreflect.StringKind {
			key = protoreflect.ValueOfString(replace(f.MapKey(), key.String())).MapKey()
		}
		if key.Interface() != e.key.Interface() {
			m.Clear(e.key)
		}
		m.Set(key, value)
	}
}
