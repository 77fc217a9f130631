// Package token mints and verifies access tokens: JWTs signed with HS256 and
// the secret of an API key.
//
// Verify turns a token into Claims, or says in one sentence what is wrong with
// it; the Can methods turn Claims into decisions. The JSON is that of the
// published SDKs, so that tokens minted by any of them are understood here and
// the other way round. Nothing in an error repeats the token or a secret.
//
// The package is a leaf: it owns no goroutine, takes the time as an argument
// and imports only livekit/protocol's messages. httpapi, signal, server and
// cmd use it.
package token
