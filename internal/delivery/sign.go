package delivery

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash"
	"net/http"
	"strconv"
	"sync"
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

// extras is what we know of a delivery beyond LiveKit's body: the headers above
// and the token's private claim. Sequence numbers stay below 2^53 for any log
// that a disk holds, so JSON readers keep them exactly.
type extras struct {
	id                 string
	seq, prev, roomSeq uint64 // prev and roomSeq 0: not known, none
	attempt            int
	occurred, sent     string
	synthesized        bool
}

// jwtHeader is {"alg":"HS256","typ":"JWT"}.
const jwtHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

// signer makes the headers of an attempt; many goroutines may use it.
type signer struct {
	key string
	// macs are HMACs of the secret: one that is reset costs a third of a new
	// one. Whoever takes one puts it back.
	macs sync.Pool
}

func newSigner(key, secret string) *signer {
	s := &signer{key: key}
	s.macs.New = func() any { return hmac.New(sha256.New, []byte(secret)) }
	return s
}

// sum returns the HMAC-SHA256 of the parts under the secret.
func (s *signer) sum(parts ...[]byte) []byte {
	mac := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	mac.Reset()
	for _, p := range parts {
		mac.Write(p)
	}
	return mac.Sum(nil)
}

// headers returns the request headers of the given attempt at rec: LiveKit's
// (the token bare, never "Bearer", no aud), Standard Webhooks' with the API
// secret as symmetric key, and ours. The token is minted for this attempt.
func (s *signer) headers(rec *event.Record, prev uint64, attempt int, now time.Time) http.Header {
	x := extras{
		id: rec.ID, seq: rec.Seq, prev: prev, roomSeq: rec.RoomSeq, attempt: attempt,
		occurred: rec.Time.UTC().Format(timeLayout), sent: now.UTC().Format(timeLayout),
		synthesized: rec.Synthesized,
	}
	unix := strconv.FormatInt(now.Unix(), 10)
	// One array holds all values: a header has one each.
	values := make([]string, 0, 16)
	h := make(http.Header, 16)
	set := func(name, value string) {
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	set("Content-Type", "application/webhook+json")
	set("Authorization", s.token(rec.Body, &x, now))
	set("User-Agent", "LiveKit")
	set("Webhook-Id", rec.ID)
	set("Webhook-Timestamp", unix)
	set("Webhook-Signature", s.standard(rec.ID, unix, rec.Body))
	set(headerEvent, string(rec.Name))
	set(headerID, rec.ID)
	set(headerSeq, strconv.FormatUint(rec.Seq, 10))
	set(headerAttempt, strconv.Itoa(attempt))
	set(headerOccurredAt, x.occurred)
	set(headerSentAt, x.sent)
	if prev != 0 {
		set(headerPrevSeq, strconv.FormatUint(prev, 10))
	}
	if rec.RoomSeq != 0 {
		set(headerRoomSeq, strconv.FormatUint(rec.RoomSeq, 10))
	}
	if rec.Synthesized {
		set(headerSynthesized, "true")
	}
	return h
}

func (s *signer) token(body []byte, x *extras, now time.Time) string {
	enc := base64.RawURLEncoding
	payload := s.claims(make([]byte, 0, 512), body, x, now)
	b := make([]byte, 0, len(jwtHeader)+enc.EncodedLen(len(payload))+1+enc.EncodedLen(sha256.Size))
	b = append(b, jwtHeader...)
	b = enc.AppendEncode(b, payload)
	signature := s.sum(b)
	b = append(b, '.')
	return string(enc.AppendEncode(b, signature))
}

// claims appends the token's payload. It is written by hand: it is made for
// every attempt, and reflection would be most of the cost of signing. Only the
// key and the id are text of others.
func (s *signer) claims(b, body []byte, x *extras, now time.Time) []byte {
	sum := sha256.Sum256(body)
	past := now.Add(-backdate).Unix()
	b = append(b, `{"iss":`...)
	b = appendString(b, s.key)
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, now.Add(lifetime).Unix(), 10)
	b = append(b, `,"nbf":`...)
	b = strconv.AppendInt(b, past, 10)
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, past, 10)
	b = append(b, `,"sha256":"`...)
	b = base64.StdEncoding.AppendEncode(b, sum[:])
	b = append(b, `","rollcall":{"id":`...)
	b = appendString(b, x.id)
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, x.seq, 10)
	if x.prev != 0 {
		b = append(b, `,"prevSeq":`...)
		b = strconv.AppendUint(b, x.prev, 10)
	}
	if x.roomSeq != 0 {
		b = append(b, `,"roomSeq":`...)
		b = strconv.AppendUint(b, x.roomSeq, 10)
	}
	b = append(b, `,"attempt":`...)
	b = strconv.AppendInt(b, int64(x.attempt), 10)
	b = append(b, `,"occurredAt":"`...)
	b = append(b, x.occurred...)
	b = append(b, `","sentAt":"`...)
	b = append(b, x.sent...)
	b = append(b, '"')
	if x.synthesized {
		b = append(b, `,"synthesized":true`...)
	}
	return append(b, "}}"...)
}

// appendString appends s as JSON.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic("BUG: marshal a string: " + err.Error())
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// standard returns the Standard Webhooks signature, v1. A receiver's library
// is given "whsec_" + base64(API secret).
func (s *signer) standard(id, unix string, body []byte) string {
	sum := s.sum([]byte(id), []byte{'.'}, []byte(unix), []byte{'.'}, body)
	return "v1," + base64.StdEncoding.EncodeToString(sum)
}
