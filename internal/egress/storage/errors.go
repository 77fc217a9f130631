package storage

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrRefused says that the store answered, and does not want the object: wrong
// keys, no such bucket. Trying again helps only when somebody changes that.
var ErrRefused = errors.New("the store refused")

// errNoURL says what is expected of an endpoint.
var errNoURL = errors.New("want a host, or a URL with http:// or https:// and neither user nor query")

// statusError is an answer that is no success. The body's words are left out: they
// come from whoever runs the store, and some repeat keys.
func statusError(what string, status int, code string) error {
	said := fmt.Sprintf("%s: status %d", what, status)
	if code = plain(code); code != "" {
		said += " " + code
	}
	switch {
	case status == 408 || status == 429 || status >= 500 || status < 400:
		return errors.New(said)
	}
	return fmt.Errorf("%w: %s", ErrRefused, said)
}

// plain is a code if it looks like one: NoSuchBucket.
func plain(code string) string {
	if len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) {
		return ""
	}
	return code
}

// scrub makes an error's text fit to be told: without URLs, whose queries hold
// signatures, and without what is secret in the target.
func (t *Target) scrub(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	// The URL of a request may be a capability by itself.
	for {
		asked, ok := errors.AsType[*url.Error](err)
		if !ok {
			break
		}
		err = asked.Err
	}
	text := err.Error()
	for _, secret := range t.secrets() {
		if len(secret) > 3 {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	text = strings.ToValidUTF8(text, "") // of a letter that was cut, or of what is no text
	if errors.Is(err, ErrRefused) {
		return &scrubbed{text, ErrRefused}
	}
	return &scrubbed{what + ": " + text, nil}
}

type scrubbed struct {
	text string
	is   error
}

func (e *scrubbed) Error() string { return e.text }
func (e *scrubbed) Unwrap() error { return e.is }
