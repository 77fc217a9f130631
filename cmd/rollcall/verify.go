package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/webhook"
)

const verifyAbout = `Says whether a webhook verifies, and if it does not, exactly why. It wants the raw
body and the headers as they came. It talks to no server.

  rollcall verify --dev --body body.json --header 'Authorization: eyJ…'
  rollcall verify --body body.json --headers headers.txt --key k --secret s

With the headers webhook-id, webhook-timestamp and webhook-signature it checks
the Standard Webhooks signature too, with --webhook-secret or the API secret.`

// finding is one check, for people and as JSON.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// verify says why a webhook does or does not verify.
func verify(_ context.Context, args []string, env environment) error {
	var f clientFlags
	var bodyFile, headerFile, standard string
	var at moment
	headers := map[string]string{}
	addHeader := func(line string) error {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return errors.New("want Name: value")
		}
		headers[textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))] = strings.TrimSpace(value)
		return nil
	}
	fs := flag.NewFlagSet("rollcall verify", flag.ContinueOnError)
	f.RegisterKeys(fs)
	fs.StringVar(&f.key, "key", "", "API `key` (default the only one of --keys, --config or ROLLCALL_KEYS)")
	fs.StringVar(&f.secret, "secret", "", "its `secret`")
	fs.BoolVar(&f.json, "json", false, "print JSON")
	fs.StringVar(&bodyFile, "body", "", "`file` with the raw body, - for standard input")
	fs.StringVar(&headerFile, "headers", "", "`file` with the headers, one to a line")
	fs.Func("header", "a header `Name: value`; may be repeated", addHeader)
	fs.StringVar(&standard, "webhook-secret", "", "Standard Webhooks `secret`, whsec_… (default the API secret)")
	fs.Var(&at, "at", "verify as of this `time` (default now)")
	if err := parseFlags(fs, args, env, verifyAbout); err != nil {
		return err
	}
	if headerFile != "" {
		text, err := os.ReadFile(headerFile)
		if err != nil {
			return fmt.Errorf("headers: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); strings.Contains(line, ":") {
				_ = addHeader(line)
			}
		}
	}
	if bodyFile == "" || len(headers) == 0 {
		return usageError(errors.New("want --body, and --header or --headers; see rollcall verify --help"))
	}
	body, err := readBody(bodyFile)
	if err != nil {
		return err
	}
	key, secret, err := f.credentials(env.environ)
	if err != nil {
		return err
	}
	if at.IsZero() {
		at.Time = time.Now()
	}
	v := verifier{body: body, key: key, secret: secret, standardSecret: standard, at: at.Time, headers: headers}
	v.run()
	return v.report(env, f.json)
}

func readBody(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(os.Stdin)
	}
	body, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return body, nil
}

// verifier collects what is right and wrong with one webhook.
type verifier struct {
	body           []byte
	key, secret    string
	standardSecret string
	at             time.Time
	headers        map[string]string
	findings       []finding
	failed         bool
}

func (v *verifier) add(check string, ok bool, format string, args ...any) {
	v.findings = append(v.findings, finding{check, ok, fmt.Sprintf(format, args...)})
	v.failed = v.failed || !ok
}

func (v *verifier) run() {
	authorization, signed := v.headers["Authorization"]
	_, standard := v.headers["Webhook-Signature"]
	if !signed && !standard {
		v.add("headers", false, "there is neither an Authorization header nor a webhook-signature")
		return
	}
	if signed {
		v.token(authorization)
	}
	if standard {
		v.standard()
	}
}

// digest is the body's, as the token has it.
func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// token checks LiveKit's signature: each property by itself, so that all that
// is wrong is told at once.
func (v *verifier) token(authorization string) {
	bare := authorization
	if len(bare) > 7 && strings.EqualFold(bare[:7], "Bearer ") {
		v.add("authorization", false, `the header begins with "Bearer ": LiveKit sends the bare token, so something on the way has changed it or it is no webhook's`)
		bare = strings.TrimSpace(bare[7:])
	}
	claims, ok := v.claims(bare)
	if !ok {
		return
	}
	// Everything but the times, as of a time at which the token is valid.
	within := time.Unix(claims.NotBefore, 0)
	if claims.NotBefore == 0 {
		within = time.Unix(claims.Expires, 0).Add(-time.Second)
	}
	rc := webhook.Receiver{Keys: webhook.Keys{v.key: v.secret}, Now: func() time.Time { return within }}
	_, err := rc.Verify(v.body, bare)
	switch {
	case errors.Is(err, webhook.ErrUnknownKey):
		v.add("API key", false, "the token is signed by API key %q, and you verify with %q", claims.Issuer, v.key)
		return
	case errors.Is(err, webhook.ErrSignature):
		v.add("signature", false, "the token says API key %q and is not signed with the secret that you gave: is it the secret of another server, or has it white space around it?", claims.Issuer)
		return
	case errors.Is(err, webhook.ErrAlgorithm), errors.Is(err, webhook.ErrMalformedToken):
		v.add("token", false, "%v", err)
		return
	}
	v.add("signature", true, "signed with the secret of API key %q", claims.Issuer)
	v.times(claims)
	v.digest(claims.SHA256)
	if errors.Is(err, webhook.ErrMalformedBody) {
		v.add("body", false, "it is what was signed, but no webhook: %v", err)
	}
}

// tokenClaims are those that matter here.
type tokenClaims struct {
	Issuer    string `json:"iss"`
	Expires   int64  `json:"exp"`
	NotBefore int64  `json:"nbf"`
	SHA256    string `json:"sha256"`
}

// claims decodes a token without verifying it.
func (v *verifier) claims(raw string) (c tokenClaims, ok bool) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		v.add("token", false, "the header is no JWT: it has %d parts with dots between them, want 3", len(parts))
		return c, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err != nil {
		v.add("token", false, "the token's claims cannot be read: %v; was the header cut?", err)
		return c, false
	}
	return c, true
}

// leeway is what package webhook allows.
const leeway = time.Minute

func (v *verifier) times(c tokenClaims) {
	expires, from := time.Unix(c.Expires, 0), time.Unix(c.NotBefore, 0)
	switch {
	case !v.at.Before(expires.Add(leeway)):
		v.add("time", false, "the token expired %s ago, at %s: verify with --at if this is an old one, else look at this machine's clock",
			v.at.Sub(expires).Round(time.Second), expires.UTC().Format(time.RFC3339))
	case c.NotBefore != 0 && v.at.Before(from.Add(-leeway)):
		v.add("time", false, "the token is valid in %s only, from %s: look at this machine's clock",
			from.Sub(v.at).Round(time.Second), from.UTC().Format(time.RFC3339))
	default:
		v.add("time", true, "valid until %s", expires.UTC().Format(time.RFC3339))
	}
}

// digest compares the body with what was signed, and looks for what may have
// been done to it.
func (v *verifier) digest(signed string) {
	actual := digest(v.body)
	switch {
	case signed == "":
		v.add("digest", false, "the token has no sha256 claim: it is an access token, no webhook's")
		return
	case signed == actual:
		v.add("digest", true, "%s of %d bytes", actual, len(v.body))
		return
	}
	v.add("digest", false, "expected %s, actual %s of %d bytes%s", signed, actual, len(v.body), v.guess(func(b []byte) bool { return digest(b) == signed }))
}

// guess tells how the body was changed, if one of the usual ways explains it.
func (v *verifier) guess(matches func([]byte) bool) string {
	trimmed := bytes.TrimRight(v.body, "\r\n")
	if len(trimmed) < len(v.body) && matches(trimmed) {
		return ": the file ends with a line break that was not signed; save the body as it came"
	}
	var compact bytes.Buffer
	if json.Compact(&compact, v.body) == nil && matches(compact.Bytes()) {
		return ": the body was parsed and written again with other white space; verify the raw bytes, before any framework reads them"
	}
	if matches(append(bytes.Clone(v.body), '\n')) {
		return ": a line break at the end is missing"
	}
	if bom := bytes.TrimPrefix(v.body, []byte("\ufeff")); len(bom) < len(v.body) && matches(bom) {
		return ": the file begins with a byte order mark"
	}
	if !json.Valid(v.body) {
		return ": the body is no whole JSON, something has cut or encoded it"
	}
	return ": the body is not the one that was signed; verify the raw bytes, before any framework reads them"
}

// standard checks the signature of Standard Webhooks.
func (v *verifier) standard() {
	id, stamp := v.headers["Webhook-Id"], v.headers["Webhook-Timestamp"]
	if id == "" || stamp == "" {
		v.add("webhook-signature", false, "it wants the headers webhook-id and webhook-timestamp too")
		return
	}
	key := []byte(v.secret)
	if v.standardSecret != "" {
		var err error
		if key, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(v.standardSecret, "whsec_")); err != nil {
			v.add("webhook-signature", false, "--webhook-secret is no whsec_ and base64")
			return
		}
	}
	sign := func(body []byte) string {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.", id, stamp)
		mac.Write(body)
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	has := func(body []byte) bool {
		want := sign(body)
		for one := range strings.FieldsSeq(v.headers["Webhook-Signature"]) {
			if hmac.Equal([]byte(one), []byte(want)) {
				return true
			}
		}
		return false
	}
	if has(v.body) {
		v.add("webhook-signature", true, "signed with the secret, at %s", stamp)
		return
	}
	v.add("webhook-signature", false, "none of its signatures is of this secret, id, timestamp and body%s", v.guess(has))
}

// errDoesNotVerify is the end of a verify that found something wrong.
var errDoesNotVerify = errors.New("the webhook does not verify")

func (v *verifier) report(env environment, asJSON bool) error {
	if asJSON {
		raw, err := json.Marshal(struct {
			Verified bool      `json:"verified"`
			Findings []finding `json:"findings"`
		}{!v.failed, v.findings})
		if err != nil {
			return err
		}
		printJSON(env.stdout, raw)
	} else {
		s := styleFor(env.stdout, env.environ)
		for _, f := range v.findings {
			mark := s.good("ok ")
			if !f.OK {
				mark = s.bad("NO ")
			}
			fmt.Fprintf(env.stdout, "%s %s  %s\n", mark, pad(f.Check, 17), f.Detail)
		}
	}
	if v.failed {
		return errDoesNotVerify
	}
	if !asJSON {
		fmt.Fprintln(env.stdout, "The webhook verifies.")
	}
	return nil
}
