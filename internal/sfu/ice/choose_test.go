package ice

import (
	"testing"
	"time"
)

// valid has the client check a path until it is valid, and nothing more.
func (r *rig) valid(w *way) {
	r.t.Helper()
	r.checks(w)
	r.answers(r.lastCheck(w))
	r.take()
}

// paths returns two paths of which the first has the higher priority, both valid,
// and the first in use.
func paths(r *rig) (better, worse *way) {
	better, worse = newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.tell(better, 200)
	r.tell(worse, 100)
	r.start()
	r.valid(worse)
	r.connect(better)
	return better, worse
}

func TestNominatedPathOfHigherPriorityIsUsedAtOnce(t *testing.T) {
	r, better, worse := newRig(t, nil), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.tell(better, 200)
	r.tell(worse, 100)
	r.start()
	r.connect(worse)
	r.wait(step)
	r.checks(better, nominating)
	r.wantPath("not valid", worse)
	r.wait(time.Hour)
	r.wantSent("the client is who tries again", "answer 192.0.2.1:1", "check 192.0.2.1:1")
	if !r.next.IsZero() {
		t.Error("something is left to do")
	}
	r.checks(better, nominating)
	r.answers(r.lastCheck(better))
	r.wantPath("valid", better)
}

func TestPriorityThatIsToldReplacesThatOfTheCheck(t *testing.T) {
	r, first, second := newRig(t, nil), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.start()
	r.checks(first)
	r.wantSent("by its check only", "answer 192.0.2.1:1", "check 192.0.2.1:1")
	r.tell(first, 100)
	r.wantSent("a check is under way")
	r.tell(second, 200)
	r.connect(first)
	r.valid(second)
	r.checks(second, nominating)
	r.wantPath("of higher priority", second)
}

func TestClientThatMovesIsFollowed(t *testing.T) {
	r := newRig(t, nil)
	better, worse := paths(r)
	r.checks(worse, nominating)
	r.checks(worse, nominating)
	r.wantPath("it nominates all in the beginning", better)
	r.wait(time.Minute)
	r.heard = r.now // the better one is alive
	r.checks(worse, nominating)
	r.wantPath("once is not enough", better)
	r.wait(time.Second)
	r.checks(worse, nominating)
	r.wantPath("it insists", worse)
	for range 10 {
		r.heard = r.now
		r.checks(better, nominating) // because of its priority
		r.wantPath("the client has left it", worse)
		r.wait(25 * time.Second)
	}
	r.heard = r.now
	r.checks(better, nominating)
	r.wait(time.Second)
	r.checks(better, nominating)
	r.wantPath("it is back", better)
	r.wait(silence + 1)
	r.checks(worse)
	r.wantPath("it is elsewhere, and knows nothing of it", worse)
	r.checks(better, nominating)
	r.wantPath("it has not left that", better)
}

func TestNominationThatIsLongAgoCountsNoMore(t *testing.T) {
	r, better, worse := newRig(t, nil), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.tell(worse, 100)
	r.start()
	r.connect(worse)
	r.checks(better, nominating)
	r.wait(silence + 1)
	r.heard = r.now
	r.answers(r.lastCheck(better))
	r.wantPath("nominated long ago", worse)
}

func TestNominationIsFollowedAtOnceIfThePathIsSilent(t *testing.T) {
	r := newRig(t, nil)
	better, worse := paths(r)
	worse.stream = true // which no rebinding leads to
	r.wait(silence)
	r.checks(worse, nominating)
	r.wantPath("heard a moment ago", better)
	r.wait(time.Millisecond)
	r.checks(worse)
	r.wantPath("not nominated", better)
	r.checks(worse, nominating)
	r.wantPath("silent", worse)
}

func TestClientThatNominatesEverythingIsNotFollowedForEver(t *testing.T) {
	r := newRig(t, nil)
	better, worse := paths(r)
	for range 3600 {
		r.wait(time.Second)
		r.heard = r.now
		r.checks(better, nominating)
		r.checks(worse, nominating)
	}
	if n := len(r.chosen); n > 13 { // 2 s doubled until it is more than an hour
		t.Errorf("%d changes", n-1)
	}
}

func TestAggressiveNominationSettlesOnTheBestPath(t *testing.T) {
	r := newRig(t, nil)
	var ways []*way
	for i, addr := range []string{"192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3"} {
		ways = append(ways, newWay(addr))
		r.tell(ways[i], []uint32{200, 100, 300}[i])
	}
	r.start()
	for _, w := range ways {
		r.checks(w, nominating)
	}
	for range 10 {
		for _, w := range ways {
			r.wait(20 * time.Millisecond)
			r.checks(w, nominating)
			if p := r.a.find(w); !p.valid {
				r.answers(r.lastCheck(w))
			}
		}
	}
	r.wantPath("of all that are nominated", ways[2])
	if len(r.chosen) > len(ways) {
		t.Errorf("chosen were %v", r.chosen)
	}
}

func TestLaterNominationWins(t *testing.T) {
	r := newRig(t, nil)
	better, worse := paths(r)
	r.checks(worse, nominatingWith(2))
	r.wantPath("the first value", worse)
	r.checks(better, nominatingWith(1))
	r.wantPath("before that", worse)
	r.checks(better, nominating)
	r.wantPath("no value", worse)
	r.checks(better, nominatingWith(3))
	r.wantPath("later", better)
	r.checks(worse, nominatingWith(3))
	r.wantPath("the same", better)
	r.checks(worse, nominatingWith(4))
	r.wantPath("later", worse)
	r.wait(silence + 1)
	r.checks(better)
	r.wantPath("moved without a nomination", better)
	r.checks(worse, nominatingWith(4))
	r.wantPath("a straggler", better)
}

func TestRolesOfTheNominatingClientAreMinded(t *testing.T) {
	r, home, away := newRig(t, controlling), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.start()
	r.connect(home)
	r.valid(away)
	r.checks(away, nominating, nominatingWith(7))
	r.wantPath("we are in control", home)
}

func TestClientIsFollowedOnceItsOldAddressIsSilent(t *testing.T) {
	for _, change := range []func(*Options){nil, controlling, lite} {
		r, home, away, stream := newRig(t, change), newWay("192.0.2.1:4000"), newWay("192.0.2.2:4000"), newWay("192.0.2.3:4000")
		stream.stream = true
		r.start()
		r.checks(home, nominating)
		if !r.a.opts.Lite {
			r.answers(r.lastCheck(home))
		}
		steps := []struct {
			why      string
			after    time.Duration
			from     *way
			answered bool // by the old address, at that moment
			moves    bool
		}{
			{why: "just connected", from: away},
			{why: "the old address is checked", after: time.Second, from: home},
			{why: "it was heard of a moment ago", after: silence, from: away},
			{why: "it answers", after: time.Second, from: away, answered: true},
			{why: "it has answered", after: silence, from: away},
			{why: "it is silent, but TCP needs a nomination", after: time.Millisecond, from: stream},
			{why: "it is silent", from: away, moves: true},
			{why: "media goes there already", after: time.Second, from: away},
			{why: "a straggler from before", after: time.Second, from: home},
			{why: "the client is back", after: silence, from: home, moves: true},
			{why: "just moved", after: silence, from: away},
		}
		at := home
		for _, s := range steps {
			r.wait(s.after)
			if s.answered {
				r.heard = r.now
			}
			r.checks(s.from)
			if s.moves && s.from != home && !r.a.opts.Lite {
				r.wantPath("anybody may have repeated a check", at)
			}
			if s.moves {
				at = s.from
			}
			if s.from == away && s.moves && !r.a.opts.Lite {
				r.answers(r.lastCheck(away))
			}
			r.wantPath(s.why, at)
			if !r.next.IsZero() {
				t.Errorf("%s: something is left to do", s.why)
			}
		}
	}
}

func TestClientIsNotFollowedWhileAnotherPathIsSought(t *testing.T) {
	r, home, away := newRig(t, nil), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.start()
	r.connect(home)
	r.wait(time.Minute)
	r.a.Restart(ours2)
	r.checks(away)
	r.wantPath("a check of the session before", home)
	r.local, r.remote = ours2, theirs2
	r.start()
	r.checks(away)
	r.wantPath("not nominated", home)
}

// A client whose connection has ended makes another, and nominates nothing if it is not
// in control.
func TestClientIsFollowedFromTCPToTCP(t *testing.T) {
	for _, change := range []func(*Options){nil, controlling} {
		r, first, second := newRig(t, change), newWay("192.0.2.1:1"), newWay("192.0.2.1:2")
		first.stream, second.stream = true, true
		r.start()
		r.checks(first, nominating)
		r.answers(r.lastCheck(first))
		if r.a.Controlling() {
			r.answers(r.lastCheck(first)) // that nominates
		}
		r.wantPath("connected", first)
		r.wait(silence)
		r.checks(second)
		r.answers(r.lastCheck(second))
		r.wantPath("the first was heard a moment ago", first)
		r.wait(time.Millisecond)
		r.checks(second)
		r.wantPath("the first is silent", second)
	}
}
