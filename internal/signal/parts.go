package signal

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxParts is how many messages a message of a client's may be made of. One that is empty
// has two bytes, and takes up to three hundred once it is decoded. Those of SDKs have
// fewer than there are participants and tracks in the room.
const maxParts = 20_000

var errParts = fmt.Errorf("it is made of more than %d messages", maxParts)

// checkParts counts the messages in what is to be decoded as m, before it is. What is
// broken is left to the decoder.
func checkParts(b []byte, m protoreflect.ProtoMessage) error {
	if len(b) <= 2*maxParts {
		return nil // it cannot have so many
	}
	left := maxParts
	if countParts(b, m.ProtoReflect().Descriptor(), &left); left < 0 {
		return errParts
	}
	return nil
}

// countParts takes the messages within b, which is one of that kind, from what is left.
func countParts(b []byte, kind protoreflect.MessageDescriptor, left *int) {
	for len(b) > 0 && *left >= 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			return
		}
		if field := kind.Fields().ByNumber(num); field != nil && field.Message() != nil && typ == protowire.BytesType {
			*left--
			inner, _ := protowire.ConsumeBytes(b[n:])
			countParts(inner, field.Message(), left)
		}
		b = b[n+size:]
	}
}

// checkJSONParts is checkParts for what is in JSON.
func checkJSONParts(b []byte) error {
	if len(b) <= 2*maxParts {
		return nil
	}
	left, quoted := maxParts, false
	for i := 0; i < len(b) && left >= 0; i++ {
		switch c := b[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case (c == '{' || c == '[') && !quoted:
			left--
		}
	}
	if left < 0 {
		return errParts
	}
	return nil
}
