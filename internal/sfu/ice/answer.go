package ice

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

// handleCheck takes a check of the client's, RFC 8445 §7.3.
func (a *Agent) handleCheck(b []byte, m *stun.Message, from Path, now time.Time, s Sender) {
	if !a.current.has(m.Username) {
		a.answerFormer(b, m, from, s)
		return
	}
	if !m.Authentic(b, &a.current.key) {
		return
	}
	if (m.Controlling && a.controlling || m.Controlled && !a.controlling) && !a.yield(m) {
		a.reply(&a.current, m, stun.Error, from, s)
		return
	}
	a.reply(&a.current, m, stun.Success, from, s)
	a.answered = true
	p := a.learn(from, m.Priority)
	p.heard = now
	wishes := !a.controlling && (m.UseCandidate || m.Nominates)
	if wishes {
		p.wish(m, now)
	}
	if !a.started {
		return
	}
	if wishes && (p.valid || a.opts.Lite) {
		a.follow(p, now)
	}
	a.followMoved(p, now)
	a.trigger(p, now, s)
	a.nominate(now, s)
}

// answerFormer answers a check of a session before the current one, and does nothing
// else about it.
func (a *Agent) answerFormer(b []byte, m *stun.Message, from Path, s Sender) {
	for i := range a.former {
		f := &a.former[i]
		if f.has(m.Username) && m.Authentic(b, &f.key) {
			a.reply(f, m, stun.Success, from, s)
			return
		}
	}
}

// yield decides a conflict of roles, RFC 8445 §7.3.1.1. It reports false if the
// client has to change its role.
func (a *Agent) yield(m *stun.Message) bool {
	wins := a.tieBreaker >= m.TieBreaker
	if a.opts.Lite || a.remoteLite || wins == a.controlling {
		return false
	}
	a.setRole(!a.controlling)
	return true
}

// setRole changes the role. What we have nominated counts no more.
func (a *Agent) setRole(controlling bool) {
	a.controlling, a.nominee = controlling, nil
}

// reply answers a check.
func (a *Agent) reply(session *session, m *stun.Message, kind uint16, to Path, s Sender) {
	room := buffers.Get().(*[stun.MaxMessage]byte)
	defer buffers.Put(room)
	var w stun.Writer
	w.Begin(room[:], kind, m.ID)
	if kind == stun.Error {
		w.ErrorCode(stun.RoleConflict)
	} else {
		w.XORMapped(to.Addr())
	}
	s.Send(to, room[:w.End(&session.key)])
}
