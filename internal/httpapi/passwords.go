package httpapi

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/rollcall-rtc/rollcall/internal/rate"
)

const (
	// attemptsPerMinute is how many passwords one address, and all for one name, may
	// try in the long run; attemptBurst is how many at once.
	attemptsPerMinute = 6
	attemptBurst      = 6
	// comparing is how many passwords are compared at a time: bcrypt is slow on
	// purpose, and may not take the processor from media.
	comparing = 1
	// maxPassword is, in bytes, what bcrypt looks at.
	maxPassword = 72
)

// passwords checks names and passwords, a few at a time and not too often.
type passwords struct {
	users       map[string]string // immutable; bcrypt hashes by name
	nobody      []byte            // immutable; what names are compared with that there are not
	key, secret string            // immutable
	address     func(*http.Request) netip.Addr
	byAddress   *rate.Keyed[netip.Addr]
	byName      *rate.Keyed[string]
	turn        chan struct{} // holds one for each that is being compared
}

// newPasswords returns nil when there are none.
func newPasswords(l Login) *passwords {
	if len(l.Users) == 0 {
		return nil
	}
	p := &passwords{
		users: l.Users, key: l.Key, secret: l.Secret, address: l.Address,
		byAddress: rate.NewKeyed[netip.Addr](attemptsPerMinute/60., attemptBurst),
		byName:    rate.NewKeyed[string](attemptsPerMinute/60., attemptBurst),
		turn:      make(chan struct{}, comparing),
	}
	if p.address == nil {
		p.address = func(r *http.Request) netip.Addr {
			at, _ := netip.ParseAddrPort(r.RemoteAddr)
			return at.Addr()
		}
	}
	// As costly as any of theirs, so that the time does not tell who exists. It is
	// the hash of no password that is known to anybody.
	for _, hash := range l.Users {
		if p.nobody == nil || cost([]byte(hash)) > cost(p.nobody) {
			p.nobody = []byte(hash)
		}
	}
	return p
}

func cost(hash []byte) int {
	n, err := bcrypt.Cost(hash)
	if err != nil {
		return 0
	}
	return n
}

// check returns nil for the password of that name. Its answer and the time that
// takes are the same for a name that is not known.
func (p *passwords) check(r *http.Request, name, password string, now time.Time) error {
	wrong := problemf(http.StatusUnauthorized, "unauthenticated", "the name or the password is wrong")
	switch {
	case name == "" || password == "":
		return badRequest(`the body wants a name and a password: {"name": "ana", "password": "..."}`)
	case len(password) > maxPassword || len(name) > maxDevName:
		return wrong
	}
	// Both are taken in any case: one that is empty must not save the other.
	here, known := p.byAddress.Take(p.address(r), now), p.byName.Take(name, now)
	if !here || !known {
		return problemf(http.StatusTooManyRequests, "resource_exhausted",
			"too many attempts to log in; wait some seconds and try again (%d a minute)", attemptsPerMinute)
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	hash, exists := p.users[name]
	if !exists {
		hash = string(p.nobody)
	}
	err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	switch {
	case err == nil && exists:
		return nil
	case err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return err // the configuration's check lets none of these through
	}
	return wrong
}
