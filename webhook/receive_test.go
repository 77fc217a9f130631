package webhook

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/auth"
)

var testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const testBody = `{"event":"room_started","room":{"sid":"RM_1","name":"blue"},"id":"018f","createdAt":"1700000000","newField":{"x":1}}`

func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// validClaims are those of a webhook with testBody, sent at testNow.
func validClaims() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": "devkey", "exp": testNow.Add(5 * time.Minute).Unix(),
		"nbf": testNow.Add(-time.Minute).Unix(), "iat": testNow.Add(-time.Minute).Unix(),
		"sha256": digest(testBody),
	}
}

func with(claims jwt.MapClaims, key string, value any) jwt.MapClaims {
	if value == nil {
		delete(claims, key)
	} else {
		claims[key] = value
	}
	return claims
}

func mint(t testing.TB, method jwt.SigningMethod, claims jwt.MapClaims, secret any) string {
	t.Helper()
	s, err := jwt.NewWithClaims(method, claims).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testReceiver() *Receiver {
	return &Receiver{
		Keys: Keys{"devkey": "secret", "next": "secret2"},
		Now:  func() time.Time { return testNow },
	}
}

func TestWebhookThatDoesNotVerifyNamesItsOneReason(t *testing.T) {
	hs := func(c jwt.MapClaims) string { return mint(t, jwt.SigningMethodHS256, c, []byte("secret")) }
	good := hs(validClaims())
	for _, tc := range []struct {
		name   string
		header string
		body   string
		want   error
		says   string
	}{
		{"accepted", good, testBody, nil, ""},
		{"second key", mint(t, jwt.SigningMethodHS256, with(validClaims(), "iss", "next"), []byte("secret2")), testBody, nil, ""},
		{"no header", "", testBody, ErrNoToken, ""},
		{"bearer", "Bearer " + good, testBody, ErrBearer, ""},
		{"bearer in lower case", "bearer " + good, testBody, ErrBearer, ""},
		{"no token", "Basic Zm9v", testBody, ErrMalformedToken, ""},
		{"claims that are no JSON", "eyJhbGciOiJIUzI1NiJ9.e30x.AAAA", testBody, ErrMalformedToken, ""},
		{"none", mint(t, jwt.SigningMethodNone, validClaims(), jwt.UnsafeAllowNoneSignatureType), testBody, ErrAlgorithm, "none"},
		{"other HMAC", mint(t, jwt.SigningMethodHS512, validClaims(), []byte("secret")), testBody, ErrAlgorithm, "HS512"},
		{"unknown key", hs(with(validClaims(), "iss", "other")), testBody, ErrUnknownKey, `"other"`},
		{"no issuer", hs(with(validClaims(), "iss", nil)), testBody, ErrUnknownKey, `""`},
		{"wrong secret", mint(t, jwt.SigningMethodHS256, validClaims(), []byte("Secret")), testBody, ErrSignature, `"devkey"`},
		{"truncated signature", good[:len(good)-4], testBody, ErrSignature, ""},
		{"no exp", hs(with(validClaims(), "exp", nil)), testBody, ErrMalformedToken, "exp"},
		{"expired", hs(with(validClaims(), "exp", testNow.Add(-time.Minute).Unix())), testBody, ErrExpired, "2026-11-23T11:59:00Z"},
		{"expired within leeway", hs(with(validClaims(), "exp", testNow.Add(-59*time.Second).Unix())), testBody, nil, ""},
		{"from the future", hs(with(validClaims(), "nbf", testNow.Add(61*time.Second).Unix())), testBody, ErrNotYetValid, "2026-11-23T12:01:01Z"},
		{"from the future within leeway", hs(with(validClaims(), "nbf", testNow.Add(60*time.Second).Unix())), testBody, nil, ""},
		{"no sha256", hs(with(validClaims(), "sha256", nil)), testBody, ErrChecksum, "no sha256 claim"},
		{"re-encoded body", good, strings.ReplaceAll(testBody, ":", ": "), ErrChecksum, digest(testBody)},
		{"empty body", good, "", ErrChecksum, digest("")},
		{"too large", good, testBody + strings.Repeat(" ", 16<<20), ErrTooLarge, "16777216"},
		{"signed, but no event", hs(with(validClaims(), "sha256", digest("hello"))), "hello", ErrMalformedBody, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/hook", strings.NewReader(tc.body))
			if tc.header != "" {
				r.Header.Set("Authorization", tc.header)
			}
			ev, err := testReceiver().Receive(r)
			if !errors.Is(err, tc.want) {
				t.Fatalf("Receive = %v, want %v", err, tc.want)
			}
			if tc.want == nil {
				if err != nil || ev.GetEvent() != "room_started" || ev.GetRoom().GetName() != "blue" || string(ev.Raw) != testBody {
					t.Fatalf("Receive = %v, %v", ev, err)
				}
				return
			}
			if ev != nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Receive = %v, %q; want no event, and an error that says %q", ev, err, tc.says)
			}
			for _, other := range []error{ErrNoToken, ErrBearer, ErrMalformedToken, ErrAlgorithm, ErrUnknownKey,
				ErrSignature, ErrExpired, ErrNotYetValid, ErrChecksum, ErrTooLarge, ErrMalformedBody} {
				if other != tc.want && errors.Is(err, other) {
					t.Errorf("%v is %v as well", err, other)
				}
			}
		})
	}
}

func TestChecksumErrorCarriesBothDigests(t *testing.T) {
	header := mint(t, jwt.SigningMethodHS256, validClaims(), []byte("secret"))
	_, err := testReceiver().Verify([]byte("changed"), header)
	var sum *ChecksumError
	if !errors.As(err, &sum) {
		t.Fatalf("Verify = %v", err)
	}
	if want := (ChecksumError{Signed: digest(testBody), Actual: digest("changed"), Size: 7}); *sum != want {
		t.Errorf("got %+v, want %+v", *sum, want)
	}
}

func TestDeliveryComesFromTheSignedClaim(t *testing.T) {
	c := validClaims()
	c["rollcall"] = map[string]any{
		"id": "018f", "seq": 812, "prevSeq": 800, "roomSeq": 4, "attempt": 2,
		"occurredAt": "2026-11-23T11:59:58.000001Z", "sentAt": "2026-11-23T12:00:00.000000Z", "synthesized": true,
		"gap": []uint64{801, 802}, "late": true, "recovery": "r1",
	}
	ev, err := testReceiver().Verify([]byte(testBody), mint(t, jwt.SigningMethodHS256, c, []byte("secret")))
	if err != nil {
		t.Fatal(err)
	}
	want := Delivery{Seq: 812, PrevSeq: 800, RoomSeq: 4, Attempt: 2, Synthesized: true, Gap: []uint64{801, 802}, Late: true, Recovery: "r1",
		OccurredAt: testNow.Add(-2 * time.Second).Add(time.Microsecond), SentAt: testNow}
	if d := cmp.Diff(want, ev.Delivery); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if ev.APIKey != "devkey" {
		t.Errorf("API key %q", ev.APIKey)
	}
}

func TestBatchIsReceivedAsItsEvents(t *testing.T) {
	second := strings.Replace(testBody, "room_started", "room_finished", 1)
	batch := "[" + testBody + "," + second + "]"
	claims := func(n int, body string) string {
		c := with(validClaims(), "sha256", digest(body))
		c["rollcall"] = map[string]any{"seq": 9, "firstSeq": 7, "batch": n, "attempt": 1}
		return mint(t, jwt.SigningMethodHS256, c, []byte("secret"))
	}
	rc := testReceiver()
	events, err := rc.VerifyAll([]byte(batch), claims(2, batch))
	if err != nil || len(events) != 2 || events[0].GetEvent() != "room_started" || string(events[1].Raw) != second || events[1].Delivery.FirstSeq != 7 {
		t.Fatalf("VerifyAll = %v, %v", events, err)
	}
	if _, err := rc.Verify([]byte(batch), claims(2, batch)); !errors.Is(err, ErrBatch) {
		t.Errorf("Verify = %v, want ErrBatch", err)
	}
	for _, bad := range []string{testBody, "[" + testBody + "]", "[1,2]"} {
		if _, err := rc.VerifyAll([]byte(bad), claims(2, bad)); !errors.Is(err, ErrMalformedBody) {
			t.Errorf("VerifyAll(%s) = %v", bad, err)
		}
	}
	good := mint(t, jwt.SigningMethodHS256, validClaims(), []byte("secret"))
	if events, err := rc.VerifyAll([]byte(testBody), good); err != nil || len(events) != 1 {
		t.Errorf("VerifyAll of one event = %v, %v", events, err)
	}
}

func TestKeyProvidersOfLiveKitAreKeyProviders(t *testing.T) {
	rc := testReceiver()
	rc.Keys = auth.NewSimpleKeyProvider("devkey", "secret")
	if _, err := rc.Verify([]byte(testBody), mint(t, jwt.SigningMethodHS256, validClaims(), []byte("secret"))); err != nil {
		t.Fatal(err)
	}
}

// FuzzVerify looks for tokens that get in without the secret, and for panics.
func FuzzVerify(f *testing.F) {
	good := mint(f, jwt.SigningMethodHS256, validClaims(), []byte("secret"))
	f.Add([]byte(testBody), good)
	f.Add([]byte(testBody), "Bearer "+good)
	f.Add([]byte(testBody), mint(f, jwt.SigningMethodNone, validClaims(), jwt.UnsafeAllowNoneSignatureType))
	f.Add([]byte("{}"), "a.b.c")
	for i := range len(good) {
		f.Add([]byte(testBody[:min(i, len(testBody))]), good[:i])
	}
	head := good[:strings.LastIndexByte(good, '.')]
	f.Fuzz(func(t *testing.T, body []byte, header string) {
		ev, err := testReceiver().Verify(body, header)
		if (ev == nil) == (err == nil) {
			t.Fatalf("Verify = %v, %v", ev, err)
		}
		if err == nil && (string(body) != testBody || !strings.HasPrefix(header, head)) {
			t.Fatalf("accepted %q with %q", body, header)
		}
	})
}
