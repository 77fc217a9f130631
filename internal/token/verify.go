package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// leeway is how far the clocks of minter and verifier may be apart.
const leeway = time.Minute

// Keys are the API keys that a server knows, each with its secret.
type Keys map[string]string

// Verify checks that raw was signed by one of keys and is valid at now, and
// returns what it says.
func Verify(raw string, keys Keys, now time.Time) (*Claims, error) {
	return VerifyBy(raw, keys, now, func(*Claims) time.Time { return time.Time{} })
}

// VerifyBy is Verify where bearers may have a clock of their own: what is not valid
// at now is asked for the time by theirs, and is valid if it is at that. A zero time
// stands for no such clock.
func VerifyBy(raw string, keys Keys, now time.Time, theirs func(*Claims) time.Time) (*Claims, error) {
	w, critical := verifyUsual(raw, keys), false
	if w == nil {
		w = new(wireClaims)
		tok, err := verifySignature(raw, keys, w)
		if err != nil {
			return nil, err
		}
		_, critical = tok.Header["crit"]
	}
	untimely := w.validAt(now)
	if errors.Is(untimely, ErrNoExpiry) {
		return nil, untimely
	}
	if critical {
		// RFC 7515 §4.1.11: extensions that are not understood reject.
		return nil, fmt.Errorf("%w: header crit names extensions that are not supported", ErrMalformed)
	}
	c, err := w.claims()
	switch {
	case err != nil:
		return nil, err
	case untimely == nil:
		return c, nil
	}
	if at := theirs(c); at.IsZero() || w.validAt(at) != nil {
		return nil, untimely
	}
	return c, nil
}

// usualHeaders are what the SDKs write, in base64url: HS256, and that it is a JWT, before,
// after, or not at all.
var usualHeaders = []string{
	base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)),
	base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)),
	base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`)),
}

// verifyUsual returns the claims of a token with a usual header, which need not be decoded,
// if it is signed by one of keys. Usual claims are scanned. Of all other tokens, nil,
// verifySignature says what they are.
func verifyUsual(raw string, keys Keys) *wireClaims {
	header, rest, _ := strings.Cut(raw, ".")
	payload, seal, ok := strings.Cut(rest, ".")
	if !ok || !slices.Contains(usualHeaders, header) {
		return nil
	}
	claims, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return nil
	}
	signature, err := base64.RawURLEncoding.DecodeString(seal)
	if err != nil {
		return nil
	}
	w := scanClaims(string(claims))
	if w == nil {
		w = new(wireClaims)
		if json.Unmarshal(claims, w) != nil {
			return nil
		}
	}
	secret, signed := keys[w.Issuer], raw[:len(raw)-len(seal)-1]
	if secret == "" || jwt.SigningMethodHS256.Verify(signed, signature, []byte(secret)) != nil {
		return nil
	}
	return w
}

// verifySignature fills w, which is not to be believed when it fails.
func verifySignature(raw string, keys Keys, w *wireClaims) (*jwt.Token, error) {
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		// The times are checked by validAt, against the caller's clock.
		jwt.WithoutClaimsValidation(),
	)
	var keyErr error
	tok, err := parser.ParseWithClaims(raw, w, func(*jwt.Token) (any, error) {
		secret, ok := keys[w.Issuer]
		switch {
		case w.Issuer == "":
			keyErr = ErrNoKey
		case !ok:
			keyErr = fmt.Errorf("%w %.64q", ErrUnknownKey, w.Issuer)
		case secret == "":
			// An empty secret would let anybody sign.
			keyErr = fmt.Errorf("%w %.64q: it has no secret", ErrUnknownKey, w.Issuer)
		}
		return []byte(secret), keyErr
	})
	switch {
	case err == nil:
		return tok, nil
	case keyErr != nil:
		return nil, keyErr
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, malformed(raw, err)
	case tok == nil || tok.Method == nil || tok.Method.Alg() != jwt.SigningMethodHS256.Alg():
		return nil, fmt.Errorf("%w: %s, want HS256", ErrAlgorithm, algorithm(tok))
	default:
		return nil, ErrSignature
	}
}

// malformed says where a token is malformed, in words that hold no value of it.
func malformed(raw string, err error) error {
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && te.Field != "" {
		kind, _, _ := strings.Cut(te.Value, " ") // "number 12" holds the value
		return fmt.Errorf("%w: claim %.64s is a JSON %s, want %s", ErrMalformed, te.Field, kind, te.Type)
	}
	if strings.Count(raw, ".") != 2 {
		return fmt.Errorf("%w: want three parts with dots between them", ErrMalformed)
	}
	return fmt.Errorf("%w: header and claims are not both base64url of a JSON object", ErrMalformed)
}

func algorithm(tok *jwt.Token) string {
	if tok != nil {
		if alg, ok := tok.Header["alg"].(string); ok {
			return fmt.Sprintf("%.16q", alg)
		}
	}
	return "none named"
}

func (w *wireClaims) validAt(now time.Time) error {
	if w.ExpiresAt == nil {
		return ErrNoExpiry
	}
	if late := now.Sub(w.ExpiresAt.Time); late > leeway {
		return fmt.Errorf("%w %s ago", ErrExpired, late.Round(time.Second))
	}
	if w.NotBefore != nil {
		if early := w.NotBefore.Sub(now); early > leeway {
			return fmt.Errorf("%w: it will be in %s (is the clock of the machine that made it right?)",
				ErrNotYetValid, early.Round(time.Second))
		}
	}
	return nil
}
