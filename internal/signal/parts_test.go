package signal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// nested is a message with n empty ones in a field of it, itself in the fields before that.
func nested(n int, fields ...protowire.Number) []byte {
	last := len(fields) - 1
	b := bytes.Repeat(protowire.AppendVarint(protowire.AppendTag(nil, fields[last], protowire.BytesType), 0), n)
	for i := last - 1; i >= 0; i-- {
		b = protowire.AppendBytes(protowire.AppendTag(nil, fields[i], protowire.BytesType), b)
	}
	return b
}

// What is empty is short on the wire and compresses well, and is not small once it is
// decoded: 144 MiB of one and a half kilobytes.
func TestMessagesOfTooManyPartsAreNotDecoded(t *testing.T) {
	const n = 500_000
	binary := func(b []byte) func() error {
		return func() error { _, err := decode(websocket.MessageBinary, b); return err }
	}
	text := func(b string) func() error {
		return func() error { _, err := decode(websocket.MessageText, []byte(b)); return err }
	}
	join := func(b []byte) func() error {
		raw, err := proto.Marshal(&livekit.WrappedJoinRequest{Compression: livekit.WrappedJoinRequest_GZIP, JoinRequest: zip(t, b)})
		if err != nil {
			t.Fatal(err)
		}
		encoded := base64.RawURLEncoding.EncodeToString(raw)
		return func() error { _, err := decodeJoinRequest(encoded); return err }
	}
	for what, decodes := range map[string]func() error{
		"subscriptions":            binary(nested(n, 6, 3)),
		"published tracks":         binary(nested(n, 12, 3)),
		"codecs of a track":        binary(nested(n, 4, 10)),
		"announcements in a join":  join(nested(n, 5)),
		"published tracks in join": join(nested(n, 10, 3)),
		"in JSON":                  text(`{"subscription":{"participantTracks":[` + strings.Repeat("{},", n) + `{}]}}`),
		"behind quotes, in JSON":   text(`{"x":"\\\"{\\","subscription":{"participantTracks":[` + strings.Repeat("{},", n) + `{}]}}`),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := decodes()
		runtime.ReadMemStats(&after)
		if !errors.Is(err, errParts) {
			t.Errorf("%s: %v", what, err)
		}
		if size := (after.TotalAlloc - before.TotalAlloc) >> 20; size > 20 {
			t.Errorf("%s take %d MiB", what, size)
		}
	}
}

func TestLongMessagesOfFewPartsAreDecoded(t *testing.T) {
	state := &livekit.SyncState{Offer: &livekit.SessionDescription{Sdp: strings.Repeat("{\"", 200_000)}}
	for i := range 5000 {
		state.DatachannelReceiveStates = append(state.DatachannelReceiveStates, &livekit.DataChannelReceiveState{PublisherSid: fmt.Sprint("PA_", i)})
		state.TrackSidsDisabled = append(state.TrackSidsDisabled, fmt.Sprint("TR_", i))
	}
	want := &livekit.SignalRequest{Message: &livekit.SignalRequest_SyncState{SyncState: state}}
	raw, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	text, err := protojson.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	for kind, b := range map[websocket.MessageType][]byte{websocket.MessageBinary: raw, websocket.MessageText: text} {
		if got, err := decode(kind, b); err != nil || !proto.Equal(got, want) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if err := checkParts(raw[:len(raw)-1], new(livekit.SignalRequest)); err != nil {
		t.Errorf("cut off: %v", err)
	}
}
