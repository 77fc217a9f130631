package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
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
}

// Delivery is Rollcall's own part of a webhook, from the token.
type Delivery struct {
	// Seq is the event's place in the whole log, from 1.
	Seq uint64 `json:"seq"`
	// PrevSeq is the Seq of the event before it that went to this receiver for
	// the same room name; 0 if the sender does not know it.
	PrevSeq uint64 `json:"prevSeq"`
	// RoomSeq is the place in the room's session: room_started is 1, without
	// gaps. It is 0 for events of no room.
	RoomSeq uint64 `json:"roomSeq"`
	// Attempt counts from 1.
	Attempt int `json:"attempt"`
	// OccurredAt is when it happened, to the microsecond.
	OccurredAt time.Time `json:"occurredAt"`
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
	// MaxBody bounds the body: 1 MiB by default.
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

// Receive reads, verifies and decodes the webhook in r. It needs the raw body:
// nothing may have read it before.
func (rc *Receiver) Receive(r *http.Request) (*Event, error) {
	limit := rc.MaxBody
	if limit <= 0 {
		limit = 1 << 20
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("receive webhook: read body: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("receive webhook: %w: more than %d bytes", ErrTooLarge, limit)
	}
	ev, err := rc.Verify(body, r.Header.Get("Authorization"))
	if err != nil {
		return nil, fmt.Errorf("receive webhook: %w", err)
	}
	return ev, nil
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
	sum := sha256.Sum256(body)
	digest := base64.StdEncoding.EncodeToString(sum[:])
	if subtle.ConstantTimeCompare([]byte(c.SHA256), []byte(digest)) != 1 {
		return nil, &ChecksumError{Signed: c.SHA256, Actual: digest, Size: len(body)}
	}
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
