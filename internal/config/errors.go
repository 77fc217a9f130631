package config

import (
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid is what every Problems wraps.
var ErrInvalid = errors.New("configuration is not valid")

// ErrNoKeys is a configuration without API keys, outside of development.
var ErrNoKeys = errors.New(`no API keys are configured. Put one into the configuration file:

    keys:
      mykey: <a secret of at least 32 characters>

or into the environment, as ROLLCALL_KEYS="mykey: <secret>". To make a secret:

    openssl rand -base64 36

To try things out on this machine only, use --dev instead`)

// A Problem is one mistake in a configuration.
type Problem struct {
	// Where is "file:line:column", the name of an environment variable or a flag.
	Where string
	// Key is the full path, such as rtc.udp_port; empty when there is none.
	Key string
	// Text says what is wrong and what was expected. It holds no secret.
	Text string
}

func (p Problem) String() string {
	if p.Key == "" {
		return p.Where + ": " + p.Text
	}
	return p.Where + ": " + p.Key + ": " + p.Text
}

// Problems are all mistakes that were found, in the order of the sources.
type Problems []Problem

// maxShown bounds a message: whoever hands in a wrong kind of file does not
// want to read all of it.
const maxShown = 10

func (ps Problems) Error() string {
	var b strings.Builder
	b.WriteString(ErrInvalid.Error())
	for i, p := range ps {
		if i == maxShown {
			fmt.Fprintf(&b, "\n  … and %d more", len(ps)-maxShown)
			break
		}
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

func (ps Problems) Unwrap() error { return ErrInvalid }
