package event

import (
	"fmt"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
)

// Webhook decodes the record's frozen body. It fails only on a record whose
// body was not made by Event.Body.
func (r *Record) Webhook() (*livekit.WebhookEvent, error) {
	w := new(livekit.WebhookEvent)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(r.Body, w); err != nil {
		return nil, fmt.Errorf("decode body of event %d: %w", r.Seq, err)
	}
	return w, nil
}
