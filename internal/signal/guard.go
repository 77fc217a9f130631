package signal

import (
	"net/http"
	"net/netip"
	"time"
)

// Guard lets clients of another WebSocket, with tokens of the same keys, through to next
// as often as those that join, and as many from one address at a time. They are counted
// apart from those.
func (h *Handler) Guard(next http.Handler) http.Handler {
	g := newGate(h.opts.Limits)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr := clientAddress(r, h.opts.TrustedProxies)
		if contains(h.opts.TrustedProxies, addr) {
			addr = netip.Addr{}
		}
		if err := h.pass(g, r, addr); err != nil {
			h.suspectProxy(r, addr)
			h.refuse(w, r, err)
			return
		}
		defer g.leave(addr)
		next.ServeHTTP(w, r)
	})
}

// pass counts a request, and its connection until the gate's leave. What is wrong with its
// token is left to whoever it is for.
func (h *Handler) pass(g *gate, r *http.Request, addr netip.Addr) error {
	now := time.Now()
	if err := g.address(addr, now); err != nil {
		return err
	}
	if claims, _, err := h.verify(r, r.URL.Query()); err == nil {
		if err := g.key(claims.APIKey, now); err != nil {
			return err
		}
	}
	return g.enter(addr)
}
