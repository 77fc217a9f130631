package token

import "errors"

// What is wrong with a token. Each is wrapped with its details, and its text
// is fit to be shown to the token's bearer.
var (
	ErrMalformed   = errors.New("token is malformed")
	ErrAlgorithm   = errors.New("token is signed with a wrong algorithm")
	ErrNoKey       = errors.New("token names no API key (iss)")
	ErrUnknownKey  = errors.New("token is signed with an unknown API key")
	ErrSignature   = errors.New("token signature does not match the API key's secret")
	ErrNoExpiry    = errors.New("token has no expiry (exp)")
	ErrExpired     = errors.New("token has expired")
	ErrNotYetValid = errors.New("token is not valid yet")
)

// What a valid token does not allow.
var (
	// ErrGrant is a missing grant, or one for another room.
	ErrGrant = errors.New("token does not permit this")
	// ErrNoIdentity and ErrNoRoom are joins that do not say who or where.
	ErrNoIdentity = errors.New("token has no identity (sub)")
	ErrNoRoom     = errors.New("no room named, by the token's grant or the request")
)

// ErrMint is a token that cannot be made: no key, no secret, no lifetime.
var ErrMint = errors.New("mint token")
