package webhook

import (
	"errors"
	"fmt"
)

// Errors of Receive and Verify; they come wrapped with the details.
var (
	// ErrNoToken says that the request has no Authorization header. Proxies
	// and frameworks that handle authentication themselves remove it.
	ErrNoToken = errors.New("no Authorization header")
	// ErrBearer says that the token came with a "Bearer " prefix, which no
	// webhook sender uses: something between the two adds it.
	ErrBearer = errors.New(`the token has a "Bearer " prefix`)
	// ErrMalformedToken says that the Authorization header is not a JWT.
	ErrMalformedToken = errors.New("the Authorization header is not a webhook token")
	// ErrAlgorithm says that the token is not signed with HS256.
	ErrAlgorithm = errors.New("the token is not signed with HS256")
	// ErrUnknownKey says that the token's API key is not one of ours.
	ErrUnknownKey = errors.New("unknown API key")
	// ErrSignature says that the token was not signed with the key's secret.
	ErrSignature = errors.New("the token's signature does not match the secret")
	// ErrExpired says that the token is too old: a replay, or a clock that is wrong.
	ErrExpired = errors.New("the token has expired")
	// ErrNotYetValid says that the token is from the future: a clock is wrong.
	ErrNotYetValid = errors.New("the token is not valid yet")
	// ErrChecksum says that the body is not the one that was signed; the error
	// is a *ChecksumError.
	ErrChecksum = errors.New("the body is not the one that was signed")
	// ErrTooLarge says that the body is longer than the limit.
	ErrTooLarge = errors.New("the body is too large")
	// ErrMalformedBody says that the body was signed, but is not a webhook event.
	ErrMalformedBody = errors.New("the body is not a webhook event")
	// ErrBatch says that the body holds several events: ReceiveAll takes them.
	ErrBatch = errors.New("the body is a batch of events")
)

// Errors of an Inbox; its sender tries again after each of them.
var (
	// ErrIncomplete says that an Inbox has no Source, Store or Handle.
	ErrIncomplete = errors.New("an Inbox wants a Source, a Store and a Handle")
	// ErrNoSeq says that the event has no place in a log: its sender is not
	// Rollcall. Receive takes it.
	ErrNoSeq = errors.New("the event has no sequence number")
	// ErrOtherLog says that the event's number and id contradict those that
	// were handed over: the server's data directory was replaced, or two
	// servers send to one Store. With a new log, the Store has to begin anew.
	ErrOtherLog = errors.New("the event is of another log than those before it")
	// ErrCollation says that an SQLStore's table takes two lanes for one, as a database
	// does that compares text without case. See SQLStore.Create.
	ErrCollation = errors.New("the table takes two lanes for one")
	// ErrConflict is what a Store returns for a lane that another process moved.
	ErrConflict = errors.New("the lane was moved meanwhile")
)

// ExpiredError says that a Source no longer has what comes after After: its
// earliest event is Earliest.
type ExpiredError struct {
	After, Earliest uint64
}

// Error implements error.
func (e *ExpiredError) Error() string {
	return fmt.Sprintf("events after %d have left the log, whose earliest is %d", e.After, e.Earliest)
}

// ChecksumError is an ErrChecksum: the body was changed on its way, as by a
// framework that parses JSON and writes it again. Verify the raw bytes.
type ChecksumError struct {
	// Signed is the digest in the token, Actual the one of the body: SHA-256
	// in padded standard base64.
	Signed, Actual string
	// Size is the length of the body in bytes.
	Size int
}

// Error implements error.
func (e *ChecksumError) Error() string {
	if e.Signed == "" {
		return fmt.Sprintf("%v: the token has no sha256 claim, so it is no webhook's", ErrChecksum)
	}
	return fmt.Sprintf("%v: signed %s, but these %d bytes are %s", ErrChecksum, e.Signed, e.Size, e.Actual)
}

// Unwrap returns ErrChecksum.
func (e *ChecksumError) Unwrap() error { return ErrChecksum }
