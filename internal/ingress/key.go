package ingress

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"time"

	"github.com/livekit/protocol/livekit"
)

// keyHash is what keys are found by: how long that takes says nothing of them.
type keyHash [sha256.Size]byte

func hashKey(key string) keyHash { return sha256.Sum256([]byte(key)) }

// newStreamKey returns 128 random bits. Encoders put it into URLs.
func newStreamKey() string { return rand.Text() }

// maxKey is longer than any key, in bytes.
const maxKey = 256

// Source says who wants to send.
type Source struct {
	Key   string
	Input livekit.IngressInput
	// From is the address that wrong keys count for: an IPv6 one should be cut to its
	// /64. Invalid: they are not counted.
	From netip.Addr
}

// Admit lets a source in that has the stream key of an endpoint. If the endpoint is
// live, the new one replaces the one that sends if that has been silent for a
// second, else it fails with ErrLive.
//
// It fails with ErrUnknownKey, ErrTooManyKeys, ErrWrongInput, ErrDisabled, ErrNoRoom
// and ErrStopping, too.
func (s *Service) Admit(src Source) (*Session, error) {
	now := time.Now()
	if src.From.IsValid() && !s.wrong.Has(src.From, now) {
		return nil, ErrTooManyKeys
	}
	for {
		session, silent, err := s.admit(src, now)
		if silent == nil {
			return session, err
		}
		silent.End(ErrReplaced)
	}
}

// admit is Admit, unless a silent session has to go first.
func (s *Service) admit(src Source, now time.Time) (_ *Session, silent *Session, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.find(src, now)
	switch {
	case err != nil:
		return nil, nil, err
	case s.stopping || s.draining:
		return nil, nil, ErrStopping
	case e.info.Enabled != nil && !*e.info.Enabled:
		return nil, nil, ErrDisabled
	case e.info.RoomName == "":
		return nil, nil, ErrNoRoom
	case e.session != nil && e.session.silence(now) >= silentAfter:
		return nil, e.session, nil
	case e.session != nil:
		return nil, nil, ErrLive
	}
	session := s.begin(e)
	e.keep()
	return session, nil, nil
}

// find returns the endpoint of a stream key; mu must be held.
func (s *Service) find(src Source, now time.Time) (*endpoint, error) {
	var e *endpoint
	if len(src.Key) <= maxKey {
		e = s.keys[hashKey(src.Key)]
	}
	// The map has compared the hashes already; this is so that nobody has to rely on it.
	if e == nil || subtle.ConstantTimeCompare([]byte(e.info.StreamKey), []byte(src.Key)) != 1 {
		if src.From.IsValid() {
			s.wrong.Take(src.From, now)
		}
		return nil, ErrUnknownKey
	}
	if e.info.InputType != src.Input {
		return nil, ErrWrongInput
	}
	return e, nil
}
