package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
)

// KeyProvider returns the secret of an API key, or "". The key providers of
// livekit/protocol/auth are such.
type KeyProvider interface {
	GetSecret(key string) string
}

// Keys is a KeyProvider: secrets by API key. Two keys at a time rotate without
// a gap.
type Keys map[string]string

// GetSecret returns the secret of key.
func (k Keys) GetSecret(key string) string { return k[key] }

// Event is a verified webhook.
type Event struct {
	// WebhookEvent is LiveKit's message; its Id is the same on every attempt.
	*livekit.WebhookEvent
	// Raw is the body as it was signed.
	Raw []byte
	// APIKey signed it.
	APIKey string
	// Delivery is what Rollcall signs beside the body; zero from others.
	Delivery Delivery
	// Missing says that events before this one are lost to an Inbox: they had
	// left the log before they could be fetched. What is known of the room has
	// to be asked for again.
	Missing bool
}

// Delivery is Rollcall's own part of a webhook, from the token.
type Delivery struct {
	// Seq is the event's place in the whole log, from 1; for a batch, that of
	// its last event.
	Seq uint64 `json:"seq"`
	// PrevSeq is the Seq of the event before it that is for this receiver and
	// of the same room name; 0 if the sender does not know it.
	PrevSeq uint64 `json:"prevSeq"`
	// FirstSeq is the Seq of a batch's first event, and Batch how many it has.
	FirstSeq uint64 `json:"firstSeq"`
	Batch    int    `json:"batch"`
	// RoomSeq is the place in the room's session: room_started is 1, without
	// gaps. It is 0 for events of no room.
	RoomSeq uint64 `json:"roomSeq"`
	// Attempt counts from 1; it is 0 for an event that an Inbox fetched.
	Attempt int `json:"attempt"`
	// Gap are events of the room that the sender gave up since the delivery
	// before this one: they were refused while others were accepted.
	Gap []uint64 `json:"gap"`
	// Gone are the first and the last Seq of events that had left the log before
	// they were sent; some of them may have been for this receiver.
	Gone []uint64 `json:"gone"`
	// Late says that this event was given up, and is tried again out of order.
	Late bool `json:"late"`
	// Test says that nothing happened: somebody tries the endpoint out.
	Test bool `json:"test"`
	// Recovery names the recovery that sends the event again.
	Recovery string `json:"recovery"`
	// OccurredAt is when it happened, to the microsecond.
	OccurredAt time.Time `json:"occurredAt"`
	// CommittedAt is when it was written to the log.
	CommittedAt time.Time `json:"committedAt"`
	// Actor is who caused the event: "client", "server", "api" or "crash"; Reason
	// says why in a word or two, on every event with which something ends. They
	// are empty for a batch.
	Actor  string `json:"actor"`
	Reason string `json:"reason"`
	// SentAt is when this attempt was made.
	SentAt time.Time `json:"sentAt"`
	// Synthesized says that the server did not see it happen, but concluded it
	// after a crash.
	Synthesized bool `json:"synthesized"`
}

// Receiver verifies webhooks. The zero value but for Keys is ready to use, by
// many goroutines.
type Receiver struct {
	Keys KeyProvider
	// MaxBody bounds the body: 16 MiB by default.
	MaxBody int64
	// Leeway is how far the two clocks may be apart: 60 s by default.
	Leeway time.Duration
	// Now is time.Now by default.
	Now func() time.Time
}

// Receive reads, verifies and decodes the webhook in r.
func Receive(r *http.Request, keys KeyProvider) (*Event, error) {
	rc := Receiver{Keys: keys}
	return rc.Receive(r)
}

// ReceiveAll is Receive for an endpoint whose events may come in batches.
func ReceiveAll(r *http.Request, keys KeyProvider) ([]*Event, error) {
	rc := Receiver{Keys: keys}
	return rc.ReceiveAll(r)
}

// Receive reads, verifies and decodes the webhook in r. It needs the raw body:
// nothing may have read it before.
func (rc *Receiver) Receive(r *http.Request) (*Event, error) {
	body, c, err := rc.read(r)
	if err != nil {
		return nil, fmt.Errorf("receive webhook: %w", err)
	}
	ev, err := c.one(body)
	if err != nil {
		return nil, fmt.Errorf("receive webhook: %w", err)
	}
	return ev, nil
}

// ReceiveAll is Receive for an endpoint whose events may come in batches: it
// returns one event or more, in the order of the log.
func (rc *Receiver) ReceiveAll(r *http.Request) ([]*Event, error) {
	body, c, err := rc.read(r)
	if err != nil {
		return nil, fmt.Errorf("receive webhook: %w", err)
	}
	events, err := c.all(body)
	if err != nil {
		return nil, fmt.Errorf("receive webhook: %w", err)
	}
	return events, nil
}

// defaultMaxBody is twice what the server puts into a batch.
const defaultMaxBody = 16 << 20

// read returns a body that is as it was signed. It reads nothing from who has no
// valid token.
func (rc *Receiver) read(r *http.Request) ([]byte, *claims, error) {
	defer r.Body.Close()
	c, err := rc.verifyToken(r.Header.Get("Authorization"))
	if err != nil {
		return nil, nil, err
	}
	limit := rc.MaxBody
	if limit <= 0 {
		limit = defaultMaxBody
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read body: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return body, c, c.check(body)
}

type claims struct {
	jwt.RegisteredClaims
	SHA256   string   `json:"sha256"`
	Rollcall Delivery `json:"rollcall"`
}

// Verify verifies and decodes a raw body with the Authorization header that
// came with it.
func (rc *Receiver) Verify(body []byte, authorization string) (*Event, error) {
	c, err := rc.verifyToken(authorization)
	if err != nil {
		return nil, err
	}
	if err := c.check(body); err != nil {
		return nil, err
	}
	return c.one(body)
}

// VerifyAll is Verify for what may be a batch.
func (rc *Receiver) VerifyAll(body []byte, authorization string) ([]*Event, error) {
	c, err := rc.verifyToken(authorization)
	if err != nil {
		return nil, err
	}
	if err := c.check(body); err != nil {
		return nil, err
	}
	return c.all(body)
}

// check says whether body is the one that was signed.
func (c *claims) check(body []byte) error {
	sum := sha256.Sum256(body)
	digest := base64.StdEncoding.EncodeToString(sum[:])
	if subtle.ConstantTimeCompare([]byte(c.SHA256), []byte(digest)) != 1 {
		return &ChecksumError{Signed: c.SHA256, Actual: digest, Size: len(body)}
	}
	return nil
}

func (c *claims) one(body []byte) (*Event, error) {
	if c.Rollcall.Batch > 0 {
		return nil, ErrBatch
	}
	return c.event(body)
}

func (c *claims) all(body []byte) ([]*Event, error) {
	bodies := []json.RawMessage{body}
	if n := c.Rollcall.Batch; n > 0 {
		if err := json.Unmarshal(body, &bodies); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformedBody, err)
		}
		if len(bodies) != n {
			return nil, fmt.Errorf("%w: a batch of %d has %d", ErrMalformedBody, n, len(bodies))
		}
	}
	events := make([]*Event, len(bodies))
	for i, b := range bodies {
		var err error
		if events[i], err = c.event(b); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func (c *claims) event(body []byte) (*Event, error) {
	ev := &Event{WebhookEvent: new(livekit.WebhookEvent), Raw: body, APIKey: c.Issuer, Delivery: c.Rollcall}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, ev.WebhookEvent); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformedBody, err)
	}
	return ev, nil
}

func (rc *Receiver) verifyToken(authorization string) (*claims, error) {
	switch {
	case authorization == "":
		return nil, ErrNoToken
	case len(authorization) >= 7 && strings.EqualFold(authorization[:7], "Bearer "):
		return nil, ErrBearer
	}
	now, leeway := rc.Now, rc.Leeway
	if now == nil {
		now = time.Now
	}
	if leeway <= 0 {
		leeway = time.Minute
	}
	c := new(claims)
	// Times are checked below: the library joins what it finds, and a reader
	// wants the one reason.
	parser := jwt.NewParser(jwt.WithoutClaimsValidation())
	_, err := parser.ParseWithClaims(authorization, c, func(t *jwt.Token) (any, error) {
		if t.Method.Alg() != jwt.SigningMethodHS256.Alg() {
			return nil, fmt.Errorf("%w but %s", ErrAlgorithm, t.Method.Alg())
		}
		secret := rc.Keys.GetSecret(c.Issuer)
		if secret == "" {
			return nil, fmt.Errorf("%w %q", ErrUnknownKey, c.Issuer)
		}
		return []byte(secret), nil
	})
	switch {
	case errors.Is(err, ErrAlgorithm), errors.Is(err, ErrUnknownKey):
		return nil, err
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return nil, fmt.Errorf("%w of API key %q", ErrSignature, c.Issuer)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMalformedToken, err)
	case c.ExpiresAt == nil:
		return nil, fmt.Errorf("%w: it has no exp claim", ErrMalformedToken)
	}
	at := now()
	if !at.Before(c.ExpiresAt.Add(leeway)) {
		return nil, fmt.Errorf("%w: at %s, and it is %s", ErrExpired, stamp(c.ExpiresAt.Time), stamp(at))
	}
	if c.NotBefore != nil && at.Before(c.NotBefore.Add(-leeway)) {
		return nil, fmt.Errorf("%w: from %s, and it is %s", ErrNotYetValid, stamp(c.NotBefore.Time), stamp(at))
	}
	return c, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
