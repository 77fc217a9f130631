package token

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
)

// FuzzVerify: no input panics, none is accepted that the holder of a secret
// did not sign, and no error repeats a secret.
func FuzzVerify(f *testing.F) {
	front := testKeys["front"]
	valid, err := Mint("front", front, fullClaims(), testNow, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	want, err := Verify(valid, testKeys, testNow)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid)
	f.Add(valid + "\n")
	for i := 0; i < len(valid); i += 37 {
		f.Add(valid[:i])
	}
	f.Add("..")
	f.Add(sign(f, `{"alg":"none"}`, `{"iss":"front","exp":4102444800}`, front))
	f.Add(sign(f, hs256, `{"iss":"hollow","exp":4102444800}`, ""))
	f.Fuzz(func(t *testing.T, raw string) {
		sameAsLibrary(t, raw)
		c, err := Verify(raw, testKeys, testNow)
		if (c == nil) == (err == nil) {
			t.Fatalf("Verify = %v, %v; want exactly one", c, err)
		}
		// The text may differ: base64 knows several spellings of the same bytes.
		if err == nil && !cmp.Equal(c, want, protocmp.Transform()) {
			t.Fatalf("accepted %q as %+v", raw, c)
		}
		if err != nil && (strings.Contains(err.Error(), front) || len(err.Error()) > 500) {
			t.Fatalf("error leaks or rambles: %q", err)
		}
	})
}

// FuzzClaims: claims of any shape, rightly signed, do not panic, and what is
// accepted survives being minted again.
func FuzzClaims(f *testing.F) {
	f.Add(`{"iss":"front","exp":1e10,"sub":"a","video":{"room":"r","roomJoin":true,"canPublish":false}}`)
	f.Add(`{"iss":"front","exp":1e10,"roomConfig":{"emptyTimeout":3,"egress":{"room":{"fileOutputs":[{"s3":{}}]}}}}`)
	f.Add(`{"iss":"front","exp":1e300,"nbf":-1e300,"aud":["a"],"kind":"sip","attributes":{"a":"b"}}`)
	f.Add(`{"iss":"front","exp":null,"video":null,"roomConfig":null}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, payload string) {
		signed := sign(t, hs256, payload, testKeys["front"])
		sameAsLibrary(t, signed)
		c, err := Verify(signed, testKeys, testNow)
		if err != nil {
			return
		}
		raw, err := Mint("front", testKeys["front"], c, testNow, time.Hour)
		if err != nil {
			t.Fatalf("mint what was verified: %v", err)
		}
		d, err := Verify(raw, testKeys, testNow)
		if err != nil {
			t.Fatalf("verify what was minted: %v", err)
		}
		if diff := cmp.Diff(c.Permission(), d.Permission(), protocmp.Transform()); diff != "" {
			t.Errorf("permission changed (-first +second):\n%s", diff)
		}
		if c.Identity != d.Identity || !cmp.Equal(c.RoomConfig, d.RoomConfig, protocmp.Transform()) {
			t.Errorf("claims changed: %+v, then %+v", c, d)
		}
	})
}

// sameAsLibrary fails if what is verified without the library is not what that verifies.
func sameAsLibrary(t *testing.T, raw string) {
	t.Helper()
	quick := verifyUsual(raw, testKeys)
	if quick == nil {
		return
	}
	var w wireClaims
	tok, err := verifySignature(raw, testKeys, &w)
	if err != nil {
		t.Fatalf("the library says %v", err)
	}
	if _, ok := tok.Header["crit"]; ok || tok.Method.Alg() != "HS256" {
		t.Fatalf("the header is not usual: %v", tok.Header)
	}
	if diff := cmp.Diff(&w, quick); diff != "" {
		t.Fatalf("claims differ (-library +ours):\n%s", diff)
	}
}
