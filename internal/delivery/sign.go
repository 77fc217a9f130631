package delivery

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

// Header names of our own, beside LiveKit's and Standard Webhooks'. All of it
// is signed too: it stands in the token's private claim "rollcall".
const (
	headerEvent       = "Rollcall-Event"
	headerID          = "Rollcall-Event-Id"
	headerSeq         = "Rollcall-Seq"
	headerPrevSeq     = "Rollcall-Prev-Seq"
	headerRoomSeq     = "Rollcall-Room-Seq"
	headerAttempt     = "Rollcall-Attempt"
	headerOccurredAt  = "Rollcall-Occurred-At"
	headerSentAt      = "Rollcall-Sent-At"
	headerSynthesized = "Rollcall-Synthesized"
)

const (
	// backdate keeps receivers without clock leeway (Java, Ruby) content.
	backdate = 60 * time.Second
	// lifetime is the longest that receivers of LiveKit expect.
	lifetime = 5 * time.Minute

	timeLayout = "2006-01-02T15:04:05.000000Z07:00"
)

// extras is the token's private claim: what we know of a delivery beyond
// LiveKit's body. Sequence numbers stay below 2^53 for any log that a disk holds.
type extras struct {
	ID          string `json:"id"`
	Seq         uint64 `json:"seq"`
	PrevSeq     uint64 `json:"prevSeq,omitempty"`
	RoomSeq     uint64 `json:"roomSeq,omitempty"`
	Attempt     int    `json:"attempt"`
	OccurredAt  string `json:"occurredAt"`
	SentAt      string `json:"sentAt"`
	Synthesized bool   `json:"synthesized,omitempty"`
}

type claims struct {
	Issuer    string `json:"iss"`
	Expires   int64  `json:"exp"`
	NotBefore int64  `json:"nbf"`
	IssuedAt  int64  `json:"iat"`
	SHA256    string `json:"sha256"`
	Rollcall  extras `json:"rollcall"`
}

// jwtHeader is {"alg":"HS256","typ":"JWT"}.
const jwtHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

// signer makes the headers of an attempt.
type signer struct {
	key    string
	secret []byte
}

// headers returns the request headers of the given attempt at rec: LiveKit's
// (the token bare, never "Bearer", no aud), Standard Webhooks' with the API
// secret as symmetric key, and ours. The token is minted for this attempt.
func (s *signer) headers(rec *event.Record, prev uint64, attempt int, now time.Time) (http.Header, error) {
	x := extras{
		ID: rec.ID, Seq: rec.Seq, PrevSeq: prev, RoomSeq: rec.RoomSeq, Attempt: attempt,
		OccurredAt: rec.Time.UTC().Format(timeLayout), SentAt: now.UTC().Format(timeLayout),
		Synthesized: rec.Synthesized,
	}
	token, err := s.token(rec.Body, x, now)
	if err != nil {
		return nil, err
	}
	unix := strconv.FormatInt(now.Unix(), 10)
	h := http.Header{
		"Content-Type":      {"application/webhook+json"},
		"Authorization":     {token},
		"User-Agent":        {"LiveKit"},
		"Webhook-Id":        {rec.ID},
		"Webhook-Timestamp": {unix},
		"Webhook-Signature": {s.standard(rec.ID, unix, rec.Body)},
		headerEvent:         {string(rec.Name)},
		headerID:            {rec.ID},
		headerSeq:           {strconv.FormatUint(rec.Seq, 10)},
		headerAttempt:       {strconv.Itoa(attempt)},
		headerOccurredAt:    {x.OccurredAt},
		headerSentAt:        {x.SentAt},
	}
	if prev != 0 {
		h[headerPrevSeq] = []string{strconv.FormatUint(prev, 10)}
	}
	if rec.RoomSeq != 0 {
		h[headerRoomSeq] = []string{strconv.FormatUint(rec.RoomSeq, 10)}
	}
	if rec.Synthesized {
		h[headerSynthesized] = []string{"true"}
	}
	return h, nil
}

func (s *signer) token(body []byte, x extras, now time.Time) (string, error) {
	sum := sha256.Sum256(body)
	payload, err := json.Marshal(claims{
		Issuer:    s.key,
		Expires:   now.Add(lifetime).Unix(),
		NotBefore: now.Add(-backdate).Unix(),
		IssuedAt:  now.Add(-backdate).Unix(),
		SHA256:    base64.StdEncoding.EncodeToString(sum[:]),
		Rollcall:  x,
	})
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	enc := base64.RawURLEncoding
	b := make([]byte, 0, len(jwtHeader)+enc.EncodedLen(len(payload))+1+enc.EncodedLen(sha256.Size))
	b = append(b, jwtHeader...)
	b = enc.AppendEncode(b, payload)
	mac := hmac.New(sha256.New, s.secret)
	mac.Write(b)
	b = append(b, '.')
	return string(enc.AppendEncode(b, mac.Sum(nil))), nil
}

// standard returns the Standard Webhooks signature, v1. A receiver's library
// is given "whsec_" + base64(API secret).
func (s *signer) standard(id, unix string, body []byte) string {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(id))
	mac.Write([]byte{'.'})
	mac.Write([]byte(unix))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
