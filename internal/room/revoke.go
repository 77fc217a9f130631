package room

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

// revocation says which tokens of a removed participant do not admit it any more.
type revocation struct {
	Before time.Time `json:"before"` // tokens made before this
	// Life is how long the participant's own token was still to live when it joined; 0 if
	// that is not known. A token that does not say when it was made is taken to live as
	// long from its making: that one is then made when the participant joined, and one
	// that the backend makes later, later by as much.
	Life time.Duration `json:"life,omitempty"`
	At   time.Time     `json:"at"`
}

// madeAt is when the token was made with which somebody asks to come in, so far as can be
// known.
func (r revocation) madeAt(req *Join) time.Time {
	if req.TokenFrom.IsZero() && r.Life > 0 {
		return req.TokenUntil.Add(-r.Life)
	}
	return req.TokenFrom
}

// seat stands for an identity in a room, and does not say which: it is kept for
// longer than what is known of either may be.
type seat string

func seatOf(room, identity string) seat {
	h := sha256.New()
	h.Write([]byte(room))
	h.Write([]byte{0})
	h.Write([]byte(identity))
	return seat(hex.EncodeToString(h.Sum(nil)))
}

const (
	// revokeLeeway covers clocks of backends that mint tokens.
	revokeLeeway = time.Minute
	// revocationKept is how long it is remembered: longer than tokens that
	// backends hand to people live.
	revocationKept = 24 * time.Hour
	maxRevocations = 100_000
	// RevocationPrefix begins the keys of what is kept of revocations.
	RevocationPrefix = "room/revoked/"
)

// Kept is where small values survive a restart of the server.
type Kept interface {
	// SaveCursors sets and deletes values. It does not wait; what was saved before
	// an event was published is durable when the event is.
	SaveCursors(puts map[string][]byte, deletes []string)
}

// revoke makes tokens worthless for an identity that were made before a time. life is
// that of its own, as in revocation.
func (g *Registry) revoke(where seat, before time.Time, life time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if before.IsZero() {
		before = now.Add(revokeLeeway)
	}
	g.remember(where, revocation{Before: before, Life: max(life, 0), At: now})
	forgotten := g.forgetRevocations(now)
	if g.opts.Kept == nil {
		return
	}
	raw, err := json.Marshal(g.revoked[where])
	if err != nil {
		panic("BUG: encode revocation: " + err.Error())
	}
	g.opts.Kept.SaveCursors(map[string][]byte{RevocationPrefix + string(where): raw}, forgotten)
}

func (g *Registry) remember(where seat, r revocation) {
	if g.revoked == nil {
		g.revoked = make(map[seat]revocation)
	}
	g.revoked[where] = r
	g.revocations = append(g.revocations, where)
}

// forgetRevocations drops those that are too old or too many, and returns their keys.
func (g *Registry) forgetRevocations(now time.Time) (keys []string) {
	for len(g.revocations) > 0 {
		oldest := g.revocations[0]
		r, there := g.revoked[oldest]
		if there && len(g.revocations) <= maxRevocations && now.Sub(r.At) <= revocationKept {
			break
		}
		g.revocations = g.revocations[1:]
		if there && !slices.Contains(g.revocations, oldest) {
			delete(g.revoked, oldest)
			keys = append(keys, RevocationPrefix+string(oldest))
		}
	}
	return keys
}

// RestoreRevocations takes in what earlier runs of the server kept, by key. What
// cannot be read is passed over. Call it before the first join.
func (g *Registry) RestoreRevocations(kept map[string][]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	type entry struct {
		where seat
		revocation
	}
	var entries []entry
	for key, raw := range kept {
		var r revocation
		if err := json.Unmarshal(raw, &r); err != nil || len(key) <= len(RevocationPrefix) {
			g.opts.Logger.Warn("a revocation cannot be read", "key", key)
			continue
		}
		entries = append(entries, entry{seat(key[len(RevocationPrefix):]), r})
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.At.Compare(b.At) })
	for _, e := range entries {
		g.remember(e.where, e.revocation)
	}
	if forgotten := g.forgetRevocations(time.Now()); len(forgotten) > 0 && g.opts.Kept != nil {
		g.opts.Kept.SaveCursors(nil, forgotten)
	}
}

// admits returns ErrTokenRevoked for a token from before its owner was removed.
func (g *Registry) admits(req *Join) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, there := g.revoked[seatOf(req.Room, req.Identity)]
	if there && r.madeAt(req).Before(r.Before) {
		return ErrTokenRevoked
	}
	return nil
}
