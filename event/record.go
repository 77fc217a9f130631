package event

import (
	"encoding/json"
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

// Detail decodes what an event beyond LiveKit's adds to its body into v, a
// pointer to the type that the catalogue names.
func (r *Record) Detail(v any) error {
	body := struct {
		Rollcall any `json:"rollcall"`
	}{v}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return fmt.Errorf("decode detail of event %d: %w", r.Seq, err)
	}
	return nil
}
