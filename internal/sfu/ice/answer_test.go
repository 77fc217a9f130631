package ice

import (
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

func TestConflictOfRolesIsDecidedByTheTieBreaker(t *testing.T) {
	for _, c := range []struct {
		name             string
		controlling, our bool // our tie breaker is higher
		refuses          bool
	}{
		{"both control, we win", true, true, true},
		{"both control, the client wins", true, false, false},
		{"none controls, we win", false, true, false},
		{"none controls, the client wins", false, false, true},
	} {
		r, home := newRig(t, func(o *Options) { o.Controlling = c.controlling }), newWay("192.0.2.1:1")
		r.controlling = c.controlling
		r.tieBreaker = r.a.tieBreaker - 1
		if !c.our {
			r.tieBreaker = r.a.tieBreaker + 1
		}
		r.start()
		r.checks(home)
		if c.refuses {
			refusal := r.wantSent(c.name, "error 192.0.2.1:1")[0]
			key := stun.NewKey(ours.Password)
			if refusal.m.ErrorCode != stun.RoleConflict || !refusal.m.Authentic(refusal.b, &key) || r.a.Answered() {
				t.Errorf("%s: %+v", c.name, refusal.m)
			}
		} else {
			check := "check 192.0.2.1:1"
			if !c.controlling {
				check = "nomination 192.0.2.1:1"
			}
			r.wantSent(c.name, "answer 192.0.2.1:1", check)
		}
		if got, want := r.a.Controlling(), c.controlling == c.refuses; got != want {
			t.Errorf("%s: controlling %t", c.name, got)
		}
	}
}

// refuses has the client answer a check with an error.
func (r *rig) refuses(p packet, password string, code int) {
	r.handle(r.message(stun.Error, p.m.ID, password, func(w *stun.Writer) { w.ErrorCode(code) }), p.path)
}

func TestRefusedRoleIsChanged(t *testing.T) {
	for _, was := range []bool{false, true} {
		r, home := newRig(t, func(o *Options) { o.Controlling = was }), newWay("192.0.2.1:1")
		r.start()
		r.tell(home, 100)
		check := r.wantSent("a candidate", "check 192.0.2.1:1")[0]
		r.refuses(check, "guessed", stun.RoleConflict)
		r.refuses(check, theirs.Password, 400)
		r.wantSent("not authentic, or something else")
		if r.a.Controlling() != was {
			t.Error("the role is changed")
		}
		r.refuses(check, theirs.Password, stun.RoleConflict)
		again := r.wantSent("refused", "check 192.0.2.1:1")[0]
		if r.a.Controlling() == was || again.m.Controlling == was || again.m.TieBreaker == check.m.TieBreaker || again.m.Controlled != was {
			t.Errorf("%+v", again.m)
		}
		r.refuses(check, theirs.Password, stun.RoleConflict)
		r.wantSent("that is history")
		r.answers(again)
		if was {
			r.controlling = true
			r.checks(home, nominating)
		} else {
			r.answers(r.wantSent("we are in control", "nomination 192.0.2.1:1")[0])
		}
		r.wantPath("after all", home)
	}
}

func TestRefusalOfAnOldRoleChangesNothing(t *testing.T) {
	r, one, two := newRig(t, nil), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.start()
	r.tell(one, 100)
	r.tell(two, 100)
	checks := r.wantSent("two candidates", "check 192.0.2.1:1", "check 192.0.2.2:2")
	r.refuses(checks[0], theirs.Password, stun.RoleConflict)
	r.refuses(checks[1], theirs.Password, stun.RoleConflict)
	again := r.wantSent("both are checked again", "check 192.0.2.1:1", "check 192.0.2.2:2")
	if !r.a.Controlling() || !again[0].m.Controlling || !again[1].m.Controlling {
		t.Error("the role is changed twice")
	}
}

func TestCheckThatIsSentAgainHasTheNewRole(t *testing.T) {
	r, home := newRig(t, controlling), newWay("192.0.2.1:1")
	r.start()
	r.tell(home, 100)
	old := r.wantSent("a candidate", "check 192.0.2.1:1")[0]
	r.controlling, r.tieBreaker = true, 1<<64-1
	r.checks(home, nominating)
	r.wantSent("we yield; a check is under way", "answer 192.0.2.1:1")
	r.wait(step)
	again := r.wantSent("due", "check 192.0.2.1:1")[0]
	if again.m.Controlling || string(again.m.ID) == string(old.m.ID) {
		t.Error("another message of the same transaction")
	}
	r.answers(again)
	r.wantPath("nominated by the client", home)
}

func TestWhoComesToBeInControlNominates(t *testing.T) {
	r, home := newRig(t, nil), newWay("192.0.2.1:1")
	r.start()
	r.valid(home)
	r.controlling, r.tieBreaker = false, 0
	r.checks(home)
	nomination := r.wantSent("we take control", "answer 192.0.2.1:1", "nomination 192.0.2.1:1")[1]
	r.answers(nomination)
	r.wantPath("nominated", home)
}

func TestRefusalNeedsNoIntegrity(t *testing.T) {
	r, home := newRig(t, nil), newWay("192.0.2.1:1")
	r.start()
	r.tell(home, 100)
	check := r.wantSent("a candidate", "check 192.0.2.1:1")[0]
	bare := append([]byte("\x01\x11\x00\x08\x21\x12\xa4\x42"), check.m.ID...)
	r.handle(append(bare, 0, 9, 0, 4, 0, 0, 4, 87), home)
	r.wantSent("some clients' have none", "check 192.0.2.1:1")
	if !r.a.Controlling() {
		t.Error("the role is the same")
	}
}

func TestRefusalsComeToAnEnd(t *testing.T) {
	r, home := newRig(t, nil), newWay("192.0.2.1:1")
	r.start()
	r.tell(home, 100)
	n := 0
	for ; len(r.sent) > 0 && n < 100; n++ {
		_, packets := r.take()
		r.refuses(packets[0], theirs.Password, stun.RoleConflict)
	}
	r.wait(time.Minute)
	if more, _ := r.take(); n > maxTries || len(more) > 0 || !r.next.IsZero() {
		t.Errorf("%d checks, then %q", n, more)
	}
}

func TestLiteAgentAnswersAndTakesTheNominatedPath(t *testing.T) {
	r, home, away := newRig(t, lite), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.checks(home)
	r.checks(away, nominating)
	r.wantSent("before Start", "answer 192.0.2.1:1", "answer 192.0.2.2:2")
	r.wantPath("the client's password is not known yet", nil)
	r.tell(newWay("192.0.2.3:3"), 100)
	r.start()
	r.wantPath("nominated before", away)
	r.checks(home, nominating)
	r.wantPath("at once", home)
	r.checks(away)
	r.wantPath("not nominated", home)
	r.wantSent("it makes no checks", "answer 192.0.2.1:1", "answer 192.0.2.2:2")
	if !r.next.IsZero() {
		t.Error("it waits for something")
	}
	r.controlling, r.tieBreaker = false, 0
	r.checks(home)
	r.wantSent("who checks is in control", "error 192.0.2.1:1")
	if r.a.Controlling() {
		t.Error("lite, and in control")
	}
}

var ours2, theirs2 = Credentials{Ufrag: "ours2", Password: "another password of ours"}, Credentials{Ufrag: "theirs2", Password: "another password of theirs"}

// connect has the rig choose a path, as the role is.
func (r *rig) connect(w *way) {
	r.t.Helper()
	r.checks(w, nominating)
	r.answers(r.lastCheck(w))
	r.take()
	r.wantPath("connected", w)
}

func TestRestartKeepsThePathUntilThereIsAnother(t *testing.T) {
	for _, change := range []func(*Options){nil, controlling} {
		r, home, away := newRig(t, change), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
		r.start()
		r.connect(home)
		r.wait(time.Minute)
		r.a.Restart(ours2)
		if !r.a.Searching() || r.a.Answered() || r.a.Local() != ours2 {
			t.Error("no new session")
		}
		r.wantPath("still in use", home)
		r.checks(away, nominating)
		r.wantSent("the client knows nothing of it yet", "answer 192.0.2.2:2")
		r.local, r.remote = ours2, theirs2
		r.checks(home, nominating)
		r.wantSent("it does now", "answer 192.0.2.1:1")
		r.start()
		r.answers(r.lastCheck(home))
		r.take()
		if len(r.chosen) != 2 || r.a.Remote() != theirs2 || r.a.Searching() || !r.a.Answered() {
			t.Errorf("told of %v", r.chosen)
		}
		r.wantPath("again", home)
		r.local, r.remote = ours, theirs
		r.checks(away, nominating)
		r.wantSent("that session has ended")
	}
}

func TestClientMayRestartAlone(t *testing.T) {
	r, home, away := newRig(t, nil), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.start()
	r.connect(home)
	r.start()
	r.wantSent("the same again is no restart")
	if r.a.Searching() {
		t.Error("it searches")
	}
	r.remote = theirs2
	r.checks(away)
	r.wantSent("a name that is not known yet")
	r.start()
	if !r.a.Searching() || r.a.Answered() {
		t.Error("no new session")
	}
	r.remote = theirs
	r.checks(away, nominating)
	r.wantSent("the session before", "answer 192.0.2.2:2")
	r.remote = theirs2
	r.connect(away)
}

func TestSessionsThatEndWithoutAPathAreAnswered(t *testing.T) {
	r, home := newRig(t, nil), newWay("192.0.2.1:1")
	r.start()
	for n := range maxFormer {
		r.a.Restart(Credentials{Ufrag: string(rune('a' + n)), Password: "password of a lost offer"})
	}
	r.checks(home, nominating)
	r.wantSent("the first", "answer 192.0.2.1:1")
	r.a.Restart(ours2)
	r.checks(home, nominating)
	r.wantSent("too many")
	r.local, r.remote = ours2, theirs2
	r.start()
	r.connect(home)
}
