package token

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/livekit/protocol/auth"
)

var (
	testNow  = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	testKeys = Keys{"front": "front-secret-front-secret-front-s", "back": "back-secret-back-secret-back-secr", "hollow": ""}
)

// sign signs payload, any JSON, with HS256 and secret.
func sign(t testing.TB, header, payload, secret string) string {
	t.Helper()
	head := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(payload))
	sig, err := jwt.SigningMethodHS256.Sign(head, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return head + "." + base64.RawURLEncoding.EncodeToString(sig)
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

func TestEachFailureHasItsOwnErrorAndMessage(t *testing.T) {
	front := testKeys["front"]
	exp := testNow.Add(time.Hour)
	valid := sign(t, hs256, `{"iss":"front","sub":"ana","exp":`+unix(exp)+`}`, front)
	hs384, err := jwt.NewWithClaims(jwt.SigningMethodHS384, jwt.RegisteredClaims{
		Issuer: "front", ExpiresAt: jwt.NewNumericDate(exp),
	}).SignedString([]byte(front))
	if err != nil {
		t.Fatal(err)
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." +
		strings.Split(valid, ".")[1] + "."

	for _, tc := range []struct {
		name string
		raw  string
		want error
		says string
	}{
		{"expired", sign(t, hs256, `{"iss":"front","exp":`+unix(testNow.Add(-3*time.Minute))+`}`, front), ErrExpired, "expired 3m0s ago"},
		{"not yet valid", sign(t, hs256, `{"iss":"front","exp":`+unix(exp)+`,"nbf":`+unix(testNow.Add(2*time.Minute))+`}`, front), ErrNotYetValid, "in 2m0s"},
		{"no expiry", sign(t, hs256, `{"iss":"front"}`, front), ErrNoExpiry, "exp"},
		{"unknown key", sign(t, hs256, `{"iss":"nobody","exp":`+unix(exp)+`}`, front), ErrUnknownKey, `"nobody"`},
		{"key without secret", sign(t, hs256, `{"iss":"hollow","exp":`+unix(exp)+`}`, ""), ErrUnknownKey, "no secret"},
		{"no key named", sign(t, hs256, `{"exp":`+unix(exp)+`}`, front), ErrNoKey, "iss"},
		{"another key's secret", sign(t, hs256, `{"iss":"front","exp":`+unix(exp)+`}`, testKeys["back"]), ErrSignature, "secret"},
		{"signature cut", valid[:len(valid)-4], ErrSignature, "signature"},
		{"payload swapped", swapPayload(valid, `{"iss":"front","sub":"eve","exp":`+unix(exp)+`}`), ErrSignature, "signature"},
		{"algorithm none", none, ErrAlgorithm, `"none", want HS256`},
		{"algorithm HS384", hs384, ErrAlgorithm, `"HS384", want HS256`},
		{"algorithm invented", sign(t, `{"alg":"ZZ"}`, `{"iss":"front"}`, front), ErrAlgorithm, `"ZZ"`},
		{"algorithm missing", sign(t, `{}`, `{"iss":"front"}`, front), ErrAlgorithm, "none named"},
		{"empty", "", ErrMalformed, "three parts"},
		{"two parts", "a.b", ErrMalformed, "three parts"},
		{"not base64", "!.!.!", ErrMalformed, "base64url"},
		{"not JSON", sign(t, hs256, `hello`, front), ErrMalformed, "JSON"},
		{"wrong type", sign(t, hs256, `{"iss":"front","exp":`+unix(exp)+`,"video":{"roomJoin":42}}`, front), ErrMalformed, "video.roomJoin is a JSON number, want bool"},
		{"impossible time", sign(t, hs256, `{"iss":"front","exp":"soon"}`, front), ErrMalformed, "malformed"},
		{"room configuration", sign(t, hs256, `{"iss":"front","exp":`+unix(exp)+`,"roomConfig":{"emptyTimeout":"x"}}`, front), ErrMalformed, "roomConfig"},
		{"critical extension", sign(t, `{"alg":"HS256","crit":["b64"]}`, `{"iss":"front","exp":`+unix(exp)+`}`, front), ErrMalformed, "crit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Verify(tc.raw, testKeys, testNow)
			if !errors.Is(err, tc.want) {
				t.Fatalf("Verify = %v, %v; want %v", c, err, tc.want)
			}
			if c != nil {
				t.Errorf("Verify returned claims beside %v", err)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %q does not say %q", err, tc.says)
			}
			for _, part := range append(strings.Split(tc.raw, "."), front) {
				if len(part) > 2 && strings.Contains(err.Error(), part) {
					t.Errorf("error %q repeats the token or a secret", err)
				}
			}
		})
	}
}

func TestClocksMayBeAMinuteApart(t *testing.T) {
	for _, tc := range []struct {
		name     string
		exp, nbf time.Duration // from now
		want     error
	}{
		{"expired just within", -leeway, 0, nil},
		{"expired just without", -leeway - time.Second, 0, ErrExpired},
		{"early just within", time.Hour, leeway, nil},
		{"early just without", time.Hour, leeway + time.Second, ErrNotYetValid},
	} {
		raw := sign(t, hs256, `{"iss":"back","exp":`+unix(testNow.Add(tc.exp))+`,"nbf":`+unix(testNow.Add(tc.nbf))+`}`, testKeys["back"])
		if _, err := Verify(raw, testKeys, testNow); !errors.Is(err, tc.want) {
			t.Errorf("%s: Verify error = %v, want %v", tc.name, err, tc.want)
		}
	}
}

func TestIdentityFallsBackToTokenID(t *testing.T) {
	exp := unix(testNow.Add(time.Hour))
	for payload, want := range map[string]string{
		`{"iss":"front","exp":` + exp + `,"sub":"ana","jti":"bo"}`: "ana",
		`{"iss":"front","exp":` + exp + `,"jti":"bo"}`:             "bo",
		`{"iss":"front","exp":` + exp + `}`:                        "",
	} {
		c, err := Verify(sign(t, hs256, payload, testKeys["front"]), testKeys, testNow)
		if err != nil {
			t.Fatal(err)
		}
		if c.Identity != want {
			t.Errorf("identity of %s = %q, want %q", payload, c.Identity, want)
		}
	}
}

func TestUnknownClaimsAndKindsAreIgnored(t *testing.T) {
	raw := sign(t, hs256, `{"iss":"front","sub":"ana","exp":`+unix(testNow.Add(time.Hour))+
		`,"kind":"hologram","kindDetails":["cloud_agent","wizard"],"inference":{"perform":true},"video":{"roomJoin":true,"future":1}}`,
		testKeys["front"])
	c, err := Verify(raw, testKeys, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if c.Kind != 0 || len(c.KindDetails) != 1 || !c.Video.RoomJoin {
		t.Errorf("claims = %+v, want a standard participant with one detail and roomJoin", c)
	}
}

func unix(at time.Time) string {
	b, _ := jwt.NewNumericDate(at).MarshalJSON()
	return string(b)
}

func swapPayload(raw, payload string) string {
	parts := strings.Split(raw, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(payload))
	return strings.Join(parts, ".")
}

func TestTokenSaysWhenItWasMadeIfItDoes(t *testing.T) {
	const exp = `{"iss":"front","sub":"ana","exp":`
	end := unix(testNow.Add(time.Hour))
	for name, tc := range map[string]struct {
		times string
		want  time.Time
	}{
		"nbf":                  {`,"nbf":` + unix(testNow.Add(-time.Minute)), testNow.Add(-time.Minute)},
		"iat":                  {`,"iat":` + unix(testNow), testNow},
		"nbf back-dated":       {`,"nbf":` + unix(testNow.Add(-time.Hour)) + `,"iat":` + unix(testNow), testNow},
		"as Node's SDK has it": {`,"nbf":0`, time.Time{}},
		"nothing":              {"", time.Time{}},
	} {
		got, err := Verify(sign(t, hs256, exp+end+tc.times+"}", testKeys["front"]), testKeys, testNow)
		if err != nil {
			t.Fatal(err)
		}
		if made := got.MadeAt(); !made.Equal(tc.want) || made.IsZero() != tc.want.IsZero() {
			t.Errorf("%s: made at %s, want %s", name, made, tc.want)
		}
	}
}

// The SDKs' tokens need no library, and others do.
func TestWhichTokensAreUsual(t *testing.T) {
	claims := `{"iss":"front","sub":"ana","exp":` + unix(testNow.Add(time.Hour)) + `}`
	front := testKeys["front"]
	sdk, err := auth.NewAccessToken("front", front).SetIdentity("ana").SetValidFor(time.Hour).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	own, err := Mint("front", front, fullClaims(), testNow, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		raw   string
		usual bool
	}{
		"of the SDK for Go":      {sdk, true},
		"of this package":        {own, true},
		"as jose writes it":      {sign(t, `{"alg":"HS256"}`, claims, front), true},
		"as PyJWT writes it":     {sign(t, `{"alg":"HS256","typ":"JWT"}`, claims, front), true},
		"as others write it":     {sign(t, `{"typ":"JWT","alg":"HS256"}`, claims, front), true},
		"another header":         {sign(t, `{"alg":"HS256","kid":"1"}`, claims, front), false},
		"another secret":         {sign(t, hs256, claims, front+"x"), false},
		"an unknown key":         {sign(t, hs256, strings.Replace(claims, "front", "back", 1), front), false},
		"a key without a secret": {sign(t, hs256, strings.Replace(claims, "front", "hollow", 1), ""), false},
		"no claims":              {sign(t, hs256, `[]`, front), false},
		"no object":              {sign(t, hs256, `{`, front), false},
		"four parts":             {own + ".", false},
		"two parts":              {own[:strings.LastIndexByte(own, '.')], false},
		"one part":               {usualHeaders[0], false},
		"nothing":                {"", false},
		"no base64 of claims":    {usualHeaders[0] + ".!.", false},
		"no base64 of signature": {own + "!", false},
	} {
		if got := verifyUsual(tt.raw, testKeys) != nil; got != tt.usual {
			t.Errorf("%s: usual is %t", name, got)
		}
		sameAsLibrary(t, tt.raw)
	}
}

func TestTokenMayBeValidByTheClockOfItsBearer(t *testing.T) {
	raw, err := Mint("front", testKeys["front"], &Claims{Identity: "ana"}, testNow, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := Mint("front", "another secret of that length, or so", &Claims{Identity: "ana"}, testNow, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	within, never := testNow.Add(time.Minute), time.Time{}
	for name, tc := range map[string]struct {
		raw         string
		now, theirs time.Time
		want        error
	}{
		"valid, whatever theirs says":   {raw, within, testNow.Add(-24 * time.Hour), nil},
		"the clock was set ahead":       {raw, testNow.Add(3 * time.Hour), within, nil},
		"the clock was set back":        {raw, testNow.Add(-3 * time.Hour), within, nil},
		"expired by both":               {raw, testNow.Add(3 * time.Hour), testNow.Add(2 * time.Hour), ErrExpired},
		"not yet valid by both":         {raw, testNow.Add(-3 * time.Hour), testNow.Add(-2 * time.Hour), ErrNotYetValid},
		"one each way":                  {raw, testNow.Add(-3 * time.Hour), testNow.Add(2 * time.Hour), ErrNotYetValid},
		"expired, and nobody is there":  {raw, testNow.Add(3 * time.Hour), never, ErrExpired},
		"forged, and valid by theirs":   {forged, testNow.Add(3 * time.Hour), within, ErrSignature},
		"not signed, and valid by both": {raw[:strings.LastIndexByte(raw, '.')+1], within, within, ErrSignature},
	} {
		c, err := VerifyBy(tc.raw, testKeys, tc.now, func(c *Claims) time.Time {
			if c.Identity != "ana" || errors.Is(tc.want, ErrSignature) {
				t.Errorf("%s: asked for the clock of %+v", name, c)
			}
			return tc.theirs
		})
		if !errors.Is(err, tc.want) || (c == nil) != (tc.want != nil) {
			t.Errorf("%s: %v, %v, want %v", name, c, err, tc.want)
		}
	}
}
