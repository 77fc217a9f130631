package room

import (
	"sync"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Message is one response to clients. It is encoded at most once for each
// encoding, however many clients it goes to, and on their goroutines.
type Message struct {
	Response *livekit.SignalResponse // immutable
	parts    *welcomeParts           // immutable; the same, partly encoded, or nil

	binaryOnce sync.Once
	binary     []byte
	binaryErr  error
	jsonOnce   sync.Once
	json       []byte
	jsonErr    error

	sizeOnce sync.Once
	size     int
}

// NewMessage wraps r, which must not change afterwards.
func NewMessage(r *livekit.SignalResponse) *Message { return &Message{Response: r} }

// Binary returns the protobuf encoding.
func (m *Message) Binary() ([]byte, error) {
	m.binaryOnce.Do(func() {
		if m.parts != nil {
			m.binary, m.binaryErr = m.parts.binary()
		} else {
			m.binary, m.binaryErr = proto.Marshal(m.Response)
		}
	})
	return m.binary, m.binaryErr
}

// Size returns how long the protobuf encoding is, in bytes, and encodes nothing.
func (m *Message) Size() int {
	m.sizeOnce.Do(func() {
		if m.parts != nil {
			m.size = m.parts.size()
		} else {
			m.size = proto.Size(m.Response)
		}
	})
	return m.size
}

// JSON returns the proto3 JSON encoding.
func (m *Message) JSON() ([]byte, error) {
	m.jsonOnce.Do(func() { m.json, m.jsonErr = protojson.Marshal(m.Response) })
	return m.json, m.jsonErr
}

// Sink carries messages to one client's signal connection. Neither method
// blocks; a sink whose queue is full closes itself, and the participant may
// resume.
type Sink interface {
	Send(*Message)
	// Close ends the connection after what was sent before.
	Close()
}
