package token

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MinRefresh is the shortest lifetime of a refreshed token: long enough for a
// client to come back after a bad network.
const MinRefresh = 10 * time.Minute

// Mint signs claims with key and secret. The token is valid from now on, for
// validity.
func Mint(key, secret string, c *Claims, now time.Time, validity time.Duration) (string, error) {
	switch {
	case key == "":
		return "", fmt.Errorf("%w: no API key", ErrMint)
	case secret == "":
		return "", fmt.Errorf("%w: API key %.64q has no secret", ErrMint, key)
	case validity <= 0:
		return "", fmt.Errorf("%w: validity %s is not positive", ErrMint, validity)
	}
	w, err := wire(c)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrMint, err)
	}
	w.Issuer = key
	w.IssuedAt = secondsOf(now)
	w.NotBefore = secondsOf(now)
	w.ExpiresAt = secondsOf(now.Add(validity))
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, w).SignedString([]byte(secret))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrMint, err)
	}
	return raw, nil
}

// Refresh mints verified claims anew, with the key that signed them. The new
// token lives as long as the old one, and at least MinRefresh.
func Refresh(c *Claims, keys Keys, now time.Time) (string, error) {
	secret, ok := keys[c.APIKey]
	if !ok {
		return "", fmt.Errorf("%w: %w %.64q", ErrMint, ErrUnknownKey, c.APIKey)
	}
	return Mint(c.APIKey, secret, c, now, max(c.ExpiresAt.Sub(now), MinRefresh))
}
