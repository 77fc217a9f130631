package room

import (
	"time"
)

// revocation says which tokens of a removed participant do not admit it any more.
type revocation struct {
	before time.Time // tokens valid from before this
	at     time.Time
}

// seat is an identity in a room.
type seat struct{ room, identity string }

const (
	// revokeLeeway covers clocks of backends that mint tokens.
	revokeLeeway = time.Minute
	// revocationKept is how long it is remembered: longer than tokens that
	// backends hand to people live.
	revocationKept = 24 * time.Hour
	maxRevocations = 100_000
)

// revoke makes tokens that are valid from before a time worthless for an identity.
func (g *Registry) revoke(where seat, before time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if before.IsZero() {
		before = now.Add(revokeLeeway)
	}
	if g.revoked == nil {
		g.revoked = make(map[seat]revocation)
	}
	g.revoked[where] = revocation{before, now}
	g.revocations = append(g.revocations, where)
	for len(g.revocations) > 0 {
		oldest := g.revocations[0]
		r, there := g.revoked[oldest]
		if there && len(g.revocations) <= maxRevocations && now.Sub(r.at) <= revocationKept {
			break
		}
		if !there || now.Sub(r.at) > revocationKept || len(g.revocations) > maxRevocations {
			delete(g.revoked, oldest)
		}
		g.revocations = g.revocations[1:]
	}
}

// admits returns ErrTokenRevoked for a token from before its owner was removed.
func (g *Registry) admits(req *Join) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, there := g.revoked[seat{req.Room, req.Identity}]
	if there && req.TokenFrom.Before(r.before) {
		return ErrTokenRevoked
	}
	return nil
}
