package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// authenticator knows who sends a request.
type authenticator struct {
	keys token.Keys // immutable
	rate *keyRate   // of what is beside Twirp
}

// claims returns what the request's token says. Its errors may be shown.
func (a authenticator) claims(r *http.Request) (*token.Claims, error) {
	raw, err := accessToken(r)
	if err != nil {
		return nil, err
	}
	return token.Verify(raw, a.keys, time.Now())
}

// bearer is claims for the routes beside Twirp, of whoever does not ask too often.
func (a authenticator) bearer(r *http.Request) (*token.Claims, error) {
	claims, err := a.claims(r)
	if err != nil {
		return nil, &problem{http.StatusUnauthorized, "unauthenticated", err.Error()}
	}
	if err := a.rate.take(claims.APIKey, time.Now()); err != nil {
		return nil, err
	}
	return claims, nil
}

// accessToken returns the token of a request: of its header, or else of its
// query, for clients that cannot set headers.
func accessToken(r *http.Request) (string, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, raw, ok := strings.Cut(header, " ")
		if !ok || !strings.EqualFold(scheme, "Bearer") {
			return "", errNotBearer
		}
		return strings.TrimSpace(raw), nil
	}
	if raw := r.URL.Query().Get("access_token"); raw != "" {
		return raw, nil
	}
	return "", errNoToken
}

// claimsKey is the key of the claims in a Twirp call's context.
type claimsKey struct{}

func withClaims(ctx context.Context, c *token.Claims) context.Context {
	return context.WithValue(ctx, claimsKey{}, c)
}

// claimsOf returns the claims of a call, which newTwirp has put there.
func claimsOf(ctx context.Context) *token.Claims {
	c, ok := ctx.Value(claimsKey{}).(*token.Claims)
	if !ok {
		panic("BUG: call without claims")
	}
	return c
}
