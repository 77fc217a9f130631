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
	headerCommittedAt = "Rollcall-Committed-At"
	headerSentAt      = "Rollcall-Sent-At"
	headerSynthesized = "Rollcall-Synthesized"
	// headerActor is who caused the event, headerReason why, in a word or two.
	headerActor  = "Rollcall-Actor"
	headerReason = "Rollcall-Reason"
	// headerGap lists the sequence numbers of the lane that were not delivered
	// before this one; those that can be are delivered late.
	headerGap = "Rollcall-Gap"
	// headerGone is the first and the last of a range of events that left the log
	// before they were sent to this endpoint, as "17-4711".
	headerGone = "Rollcall-Gone"
	// headerLate marks what may come after later events of its lane.
	headerLate = "Rollcall-Late"
	// headerFirstSeq and headerBatch are the first event and the size of a batch.
	headerFirstSeq = "Rollcall-First-Seq"
	headerBatch    = "Rollcall-Batch"
	// headerTest marks a sample, headerRecovery names the recovery.
	headerTest     = "Rollcall-Test"
	headerRecovery = "Rollcall-Recovery"
)

const (
	// backdate keeps receivers without clock leeway (Java, Ruby) content.
	backdate = 60 * time.Second
	// lifetime is the longest that receivers of LiveKit expect.
	lifetime = 5 * time.Minute

	timeLayout = "2006-01-02T15:04:05.000000Z07:00"
)

// details is what we know of a delivery beyond the record: the headers above and
// the token's private claim. Sequence numbers stay below 2^53 for any log that a
// disk holds, so JSON readers keep them exactly.
type details struct {
	prev     uint64 // 0: not known
	attempt  int
	gap      []uint64
	gone     span
	late     bool
	test     bool
	recovery string
	first    uint64 // of a batch of count events
	count    int
}

// maxGap bounds how many sequence numbers one notice lists; the rest goes with
// the next one.
const maxGap = 100

// jwtHeader is {"alg":"HS256","typ":"JWT"}.
const jwtHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

// signer makes the headers of an attempt; many goroutines may use it.
type signer struct {
	key      string
	api      hmacKey
	standard []standardKey // empty: the API secret
	format   Format
	static   http.Header // the endpoint's own headers
}

// standardKey is one Standard Webhooks secret.
type standardKey struct {
	hmacKey
	expires time.Time // zero: never
}

// hmacKey keeps HMACs of one secret: one that is reset costs a third of a new
// one. Whoever takes one puts it back.
type hmacKey struct{ macs *sync.Pool }

func newHMACKey(secret []byte) hmacKey {
	return hmacKey{&sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}
}

// sum appends the HMAC-SHA256 of the parts to b.
func (k *hmacKey) sum(b []byte, parts ...[]byte) []byte {
	mac := k.macs.Get().(hash.Hash)
	defer k.macs.Put(mac)
	mac.Reset()
	for _, p := range parts {
		mac.Write(p)
	}
	return mac.Sum(b)
}

// newSigner returns the signer of a valid endpoint.
func newSigner(e *Endpoint) *signer {
	s := &signer{key: e.APIKey, api: newHMACKey([]byte(e.Secret)), format: e.Format}
	for i := range e.Secrets {
		k := standardKey{hmacKey: s.api, expires: e.Secrets[i].ExpiresAt}
		if e.Secrets[i].Value != "" {
			key, err := e.Secrets[i].key()
			if err != nil {
				panic("BUG: an endpoint with a bad secret was let in")
			}
			k.hmacKey = newHMACKey(key)
		}
		s.standard = append(s.standard, k)
	}
	if len(e.Headers) > 0 {
		s.static = make(http.Header, len(e.Headers))
		for name, value := range e.Headers {
			s.static.Set(name, value)
		}
	}
	return s
}

// headers returns the request headers of an attempt at rec with the given body:
// LiveKit's (the token bare, never "Bearer", no aud), Standard Webhooks', the
// endpoint's own and ours. The token is minted for this attempt.
func (s *signer) headers(rec *event.Record, body []byte, x *details, now time.Time) http.Header {
	occurred, sent := rec.Time.UTC().Format(timeLayout), now.UTC().Format(timeLayout)
	unix := strconv.FormatInt(now.Unix(), 10)
	id := rec.ID
	if x.count > 0 {
		id = rec.ID + "-" + strconv.Itoa(x.count)
	}
	// One array holds all values: a header has one each.
	values := make([]string, 0, 32)
	h := make(http.Header, 20+len(s.static))
	set := func(name, value string) {
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	for name, value := range s.static {
		h[name] = value
	}
	set("Content-Type", "application/webhook+json")
	set("Authorization", s.token(rec, id, body, x, occurred, sent, now))
	set("User-Agent", "LiveKit")
	set("Webhook-Id", id)
	set("Webhook-Timestamp", unix)
	set("Webhook-Signature", s.signatures(id, unix, body, now))
	set(headerSeq, strconv.FormatUint(rec.Seq, 10))
	set(headerAttempt, strconv.Itoa(x.attempt))
	set(headerSentAt, sent)
	if x.prev != 0 {
		set(headerPrevSeq, strconv.FormatUint(x.prev, 10))
	}
	if len(x.gap) > 0 {
		set(headerGap, joinSeqs(x.gap))
	}
	if x.gone.From > 0 {
		set(headerGone, strconv.FormatUint(x.gone.From, 10)+"-"+strconv.FormatUint(x.gone.To, 10))
	}
	if x.late {
		set(headerLate, "true")
	}
	if x.test {
		set(headerTest, "true")
	}
	if x.recovery != "" {
		set(headerRecovery, x.recovery)
	}
	if x.count > 0 {
		set("Content-Type", "application/webhook-batch+json")
		set(headerFirstSeq, strconv.FormatUint(x.first, 10))
		set(headerBatch, strconv.Itoa(x.count))
		return h
	}
	set(headerEvent, string(rec.Name))
	set(headerID, rec.ID)
	set(headerOccurredAt, occurred)
	set(headerActor, actorOf(rec))
	if rec.Reason != "" {
		set(headerReason, headerText(rec.Reason))
	}
	if !rec.Committed.IsZero() {
		set(headerCommittedAt, rec.Committed.UTC().Format(timeLayout))
	}
	if rec.RoomSeq != 0 {
		set(headerRoomSeq, strconv.FormatUint(rec.RoomSeq, 10))
	}
	if rec.Synthesized {
		set(headerSynthesized, "true")
	}
	if s.format == CloudEvents {
		cloudEvent(set, rec, occurred)
	}
	return h
}

// actorOf is the record's actor; who reports none means the client.
func actorOf(rec *event.Record) string {
	if rec.Actor == "" {
		return string(event.ActorClient)
	}
	return string(rec.Actor)
}

func joinSeqs(seqs []uint64) string {
	b := make([]byte, 0, 16*len(seqs))
	for i, seq := range seqs {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, seq, 10)
	}
	return string(b)
}

func (s *signer) token(rec *event.Record, id string, body []byte, x *details, occurred, sent string, now time.Time) string {
	enc := base64.RawURLEncoding
	var space [768]byte
	payload := s.claims(space[:0], rec, id, body, x, occurred, sent, now)
	b := make([]byte, 0, len(jwtHeader)+enc.EncodedLen(len(payload))+1+enc.EncodedLen(sha256.Size))
	b = append(b, jwtHeader...)
	b = enc.AppendEncode(b, payload)
	var mac [sha256.Size]byte
	signature := s.api.sum(mac[:0], b)
	b = append(b, '.')
	return string(enc.AppendEncode(b, signature))
}

// claims appends the token's payload. It is written by hand: it is made for
// every attempt, and reflection would be most of the cost of signing. Only the
// key and the id are text of others.
func (s *signer) claims(b []byte, rec *event.Record, id string, body []byte, x *details, occurred, sent string, now time.Time) []byte {
	sum := sha256.Sum256(body)
	past := now.Add(-backdate).Unix()
	number := func(name string, n uint64) {
		b = append(b, name...)
		b = strconv.AppendUint(b, n, 10)
	}
	b = append(b, `{"iss":`...)
	b = appendString(b, s.key)
	number(`,"exp":`, uint64(now.Add(lifetime).Unix()))
	number(`,"nbf":`, uint64(past))
	number(`,"iat":`, uint64(past))
	b = append(b, `,"sha256":"`...)
	b = base64.StdEncoding.AppendEncode(b, sum[:])
	b = append(b, `","rollcall":{"id":`...)
	b = appendString(b, id)
	number(`,"seq":`, rec.Seq)
	if x.prev != 0 {
		number(`,"prevSeq":`, x.prev)
	}
	if x.count > 0 {
		number(`,"firstSeq":`, x.first)
		number(`,"batch":`, uint64(x.count))
	} else if rec.RoomSeq != 0 {
		number(`,"roomSeq":`, rec.RoomSeq)
	}
	number(`,"attempt":`, uint64(x.attempt))
	b = append(b, `,"occurredAt":"`...)
	b = append(b, occurred...)
	if !rec.Committed.IsZero() {
		b = append(b, `","committedAt":"`...)
		b = rec.Committed.UTC().AppendFormat(b, timeLayout)
	}
	if x.count == 0 {
		b = append(b, `","actor":"`...)
		b = append(b, actorOf(rec)...)
		if rec.Reason != "" {
			b = append(b, `","reason":`...)
			b = appendString(b, rec.Reason)
			b = b[:len(b)-1] // the quote that ends it follows
		}
	}
	b = append(b, `","sentAt":"`...)
	b = append(b, sent...)
	b = append(b, '"')
	if len(x.gap) > 0 {
		b = append(b, `,"gap":[`...)
		b = append(b, joinSeqs(x.gap)...)
		b = append(b, ']')
	}
	if x.gone.From > 0 {
		number(`,"gone":[`, x.gone.From)
		number(`,`, x.gone.To)
		b = append(b, ']')
	}
	for _, flag := range [...]struct {
		name string
		on   bool
	}{{"late", x.late}, {"test", x.test}, {"synthesized", rec.Synthesized}} {
		if flag.on {
			b = append(b, `,"`...)
			b = append(b, flag.name...)
			b = append(b, `":true`...)
		}
	}
	if x.recovery != "" {
		b = append(b, `,"recovery":`...)
		b = appendString(b, x.recovery)
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

// signatures returns the Standard Webhooks signatures, v1, by every secret that
// has not expired, separated by spaces. An endpoint without any, or none that
// lives, is signed with the API secret: a receiver's library is then given
// "whsec_" + base64(API secret).
func (s *signer) signatures(id, unix string, body []byte, now time.Time) string {
	var space [2 * (4 + 44)]byte
	b := space[:0]
	sign := func(k *hmacKey) {
		if len(b) > 0 {
			b = append(b, ' ')
		}
		var mac [sha256.Size]byte
		sum := k.sum(mac[:0], []byte(id), []byte{'.'}, []byte(unix), []byte{'.'}, body)
		b = append(b, "v1,"...)
		b = base64.StdEncoding.AppendEncode(b, sum)
	}
	for i := range s.standard {
		if k := &s.standard[i]; k.expires.IsZero() || now.Before(k.expires) {
			sign(&k.hmacKey)
		}
	}
	if len(b) == 0 {
		sign(&s.api)
	}
	return string(b)
}
