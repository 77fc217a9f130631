package ice

import (
	"slices"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

func TestControlledAgentTakesTheNominatedPath(t *testing.T) {
	r, home := newRig(t, nil), newWay("192.0.2.1:1")
	r.start()
	r.wantSent("nothing is known")
	r.checks(home)
	check := r.wantSent("a new path", "answer 192.0.2.1:1", "check 192.0.2.1:1")[1]
	r.answers(check)
	r.wantPath("not nominated", nil)
	r.checks(home, nominating)
	r.wantSent("valid already", "answer 192.0.2.1:1")
	r.wantPath("nominated", home)
	r.tell(newWay("192.0.2.2:2"), 100)
	r.wantSent("there is a path")
	if !r.next.IsZero() || r.a.Searching() || !r.a.Answered() || r.a.Controlling() {
		t.Error("something is left to do")
	}
}

func TestNominationIsRememberedUntilThePathIsValid(t *testing.T) {
	r, home := newRig(t, nil), newWay("192.0.2.1:1")
	r.checks(home, nominating)
	r.wantSent("before Start", "answer 192.0.2.1:1")
	if !r.a.Answered() {
		t.Error("the check was answered")
	}
	r.start()
	check := r.wantSent("known from a check", "check 192.0.2.1:1")[0]
	r.wantPath("not valid yet", nil)
	r.answers(check)
	r.wantPath("valid", home)
}

func TestControllingAgentNominatesWhatTheClientHasChecked(t *testing.T) {
	r, home := newRig(t, controlling), newWay("192.0.2.1:1")
	r.checks(home)
	r.wantSent("before Start", "answer 192.0.2.1:1")
	r.start()
	nomination := r.wantSent("known from a check", "nomination 192.0.2.1:1")[0]
	r.answers(nomination)
	r.wantPath("one round trip", home)
	if !r.next.IsZero() || r.a.Searching() {
		t.Error("something is left to do")
	}
}

func TestControllingAgentNominatesTheFirstValidPath(t *testing.T) {
	r, one, two := newRig(t, controlling), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.tell(one, 100)
	r.wantSent("not started")
	r.start()
	r.tell(two, 200)
	checks := r.wantSent("two candidates", "check 192.0.2.1:1", "check 192.0.2.2:2")
	r.wait(time.Millisecond)
	r.answers(checks[0])
	nomination := r.wantSent("the first is valid", "nomination 192.0.2.1:1")[0]
	r.answers(checks[1])
	r.wantSent("one is nominated already")
	r.answers(nomination)
	r.wantPath("the nomination is answered", one)
	if checks[0].m.TieBreaker == 0 || checks[0].m.TieBreaker != nomination.m.TieBreaker || !checks[0].m.Controlling ||
		checks[0].m.Priority != priorityUDP || string(checks[0].m.Username) != "theirs:ours" {
		t.Errorf("%+v", checks[0].m)
	}
}

func TestAnotherPathIsNominatedIfTheFirstDoesNotAnswer(t *testing.T) {
	r, one, two := newRig(t, controlling), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.start()
	r.tell(one, 200)
	r.tell(two, 100)
	checks := r.wantSent("two candidates", "check 192.0.2.1:1", "check 192.0.2.2:2")
	r.answers(checks[0])
	r.answers(checks[1])
	r.wantSent("the first is valid", "nomination 192.0.2.1:1")
	r.wait(maxTries * step)
	words, packets := r.take()
	want := append(slices.Repeat([]string{"nomination 192.0.2.1:1"}, maxTries-1), "nomination 192.0.2.2:2")
	if !slices.Equal(words, want) {
		t.Fatalf("sent %q", words)
	}
	r.answers(packets[len(packets)-1])
	r.wantPath("the other", two)
}

func TestLateNomineeMakesRoomForAValidPath(t *testing.T) {
	r, one, two := newRig(t, controlling), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.checks(one)
	r.take()
	r.tell(two, 100)
	r.start()
	checks := r.wantSent("the one is known to work one way", "nomination 192.0.2.1:1", "check 192.0.2.2:2")
	r.wait(step / 2)
	r.answers(checks[1])
	r.wantSent("the other is valid; an answer of the one may be under way")
	for range 10 { // the client goes on to check the one
		r.wait(step / 4)
		r.checks(one)
	}
	words, packets := r.take()
	i := slices.Index(words, "nomination 192.0.2.2:2")
	if i < 0 {
		t.Fatalf("sent %q", words)
	}
	r.answers(packets[i])
	r.wantPath("the other", two)
	if !r.next.IsZero() {
		t.Error("something is left to do")
	}
}

func TestUDPIsPreferredToTCP(t *testing.T) {
	r, stream, datagrams := newRig(t, controlling), newWay("192.0.2.1:1"), newWay("192.0.2.1:2")
	stream.stream = true
	r.checks(stream)
	r.checks(datagrams)
	r.take()
	r.start()
	r.wantSent("both are known", "check 192.0.2.1:1", "nomination 192.0.2.1:2")

	r, stream = newRig(t, controlling), newWay("192.0.2.1:1")
	stream.stream = true
	r.start()
	r.checks(stream)
	check := r.wantSent("TCP only", "answer 192.0.2.1:1", "check 192.0.2.1:1")[1]
	if check.m.Priority >= priorityUDP {
		t.Errorf("priority %x", check.m.Priority)
	}
	r.wait(2 * step)
	r.wantSent("TCP loses nothing")
	r.answers(check)
	r.answers(r.wantSent("it is valid", "nomination 192.0.2.1:1")[0])
	r.wantPath("TCP", stream)
}

// UDP loses packets, and TCP is often quicker to be checked. Media belongs on UDP.
func TestUDPIsWaitedForIfItsCheckIsLost(t *testing.T) {
	for name, lost := range map[string]time.Duration{"for a moment": 2 * step, "for long": 5 * step} {
		r, stream, datagrams := newRig(t, controlling), newWay("192.0.2.1:1"), newWay("192.0.2.1:2")
		stream.stream = true
		r.start()
		r.checks(datagrams)
		r.take() // lost
		r.checks(stream)
		tcp := r.lastCheck(stream)
		if tcp.m.UseCandidate {
			t.Fatalf("%s: TCP is nominated", name)
		}
		r.answers(tcp)
		r.wait(lost)
		if lost < streamDelay {
			r.answers(r.lastCheck(datagrams))
			r.wantPath(name, datagrams)
			continue
		}
		r.answers(r.lastCheck(stream))
		r.wantPath(name, stream)
		r.checks(datagrams) // it works after all
		check := r.lastCheck(datagrams)
		if !check.m.UseCandidate {
			t.Errorf("%s: UDP is not nominated", name)
		}
		r.answers(check)
		r.wantPath(name+", in the end", datagrams)
		r.checks(stream)
		r.wait(time.Minute)
		r.wantPath(name+", for good", datagrams)
	}
}

func TestChecksAreSentAgain(t *testing.T) {
	r, home := newRig(t, nil), newWay("192.0.2.1:1")
	r.start()
	r.tell(home, 100)
	first := r.wantSent("at once", "check 192.0.2.1:1")[0]
	for n := 1; n < maxTries; n++ {
		r.wait(step - time.Millisecond)
		r.wantSent("too early")
		r.wait(time.Millisecond)
		again := r.wantSent("due", "check 192.0.2.1:1")[0]
		if !slices.Equal(first.b, again.b) {
			t.Error("another check")
		}
	}
	r.wait(time.Minute)
	r.wantSent("given up")
	if !r.next.IsZero() {
		t.Error("something is left to do")
	}
	r.checks(home)
	r.wantSent("the client's way is open now", "answer 192.0.2.1:1", "check 192.0.2.1:1")
	r.wait(time.Minute)
	if words, _ := r.take(); len(words) != maxTries-1 {
		t.Errorf("sent %q", words)
	}
	r.answers(first)
	r.checks(home, nominating)
	r.wantPath("a late answer counts", home)
}

func TestChecksThatAreDueSoonGoOutTogether(t *testing.T) {
	r, one, two := newRig(t, nil), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.start()
	r.tell(one, 100)
	r.wait(slack)
	r.tell(two, 100)
	r.take()
	r.wait(step - slack)
	r.wantSent("the first is due", "check 192.0.2.1:1", "check 192.0.2.2:2")
	if want := r.now.Add(step); !r.next.Equal(want) {
		t.Errorf("next is %v", r.next.Sub(want))
	}
}

func TestTriggeredCheckIsNotSentTwice(t *testing.T) {
	r, home := newRig(t, nil), newWay("192.0.2.1:1")
	r.start()
	for range 19 { // as browsers do before the first answer
		r.checks(home)
		r.wait(10 * time.Millisecond)
	}
	words, _ := r.take()
	n := 0
	for _, w := range words {
		if w == "check 192.0.2.1:1" {
			n++
		}
	}
	if n != 1 || len(words) != 20 {
		t.Errorf("sent %q", words)
	}
}

func TestAnswerMustBeOneToOurCheck(t *testing.T) {
	r, home, away := newRig(t, nil), newWay("192.0.2.1:1"), newWay("192.0.2.2:2")
	r.start()
	r.checks(home, nominating)
	check := r.wantSent("a new path", "answer 192.0.2.1:1", "check 192.0.2.1:1")[1]
	r.checks(away)
	r.take()
	r.answersFrom(check, away)
	r.wantPath("of another path, RFC 8445 §7.2.5.2.1", nil)
	r.remote.Password = "guessed"
	r.answers(check)
	r.wantPath("not authentic", nil)
	r.remote = theirs
	other := check
	other.m.ID = slices.Repeat([]byte{0}, stun.IDSize)
	r.answers(other)
	r.wantPath("of no check", nil)
	r.answers(check)
	r.wantPath("now it is", home)
}

func TestPathsAreBounded(t *testing.T) {
	r := newRig(t, nil)
	for n := range 3 * maxPairs {
		w := newWay("192.0.2.1:1")
		w.addr = netAddr(w, uint16(1+n))
		r.ways = append(r.ways, w)
		r.tell(w, 1)
	}
	r.start()
	if words, _ := r.take(); len(words) != maxPairs {
		t.Errorf("%d checks", len(words))
	}
	late := newWay("192.0.2.2:1")
	for n := range 3 * maxPairs {
		w := newWay("192.0.2.2:1")
		w.addr = netAddr(w, uint16(1+n))
		r.checks(w)
		late = w
		r.wait(time.Millisecond)
	}
	if len(r.a.pairs) != maxPairs {
		t.Errorf("%d pairs", len(r.a.pairs))
	}
	r.take()
	r.checks(late, nominating)
	r.wait(step)
	r.answers(r.lastCheck(late))
	r.wantPath("of many, the last", late)
	for n := range 3 * maxPairs {
		w := newWay("192.0.2.3:1")
		w.addr = netAddr(w, uint16(1+n))
		r.checks(w)
		r.wait(time.Millisecond)
	}
	if r.a.find(late) == nil {
		t.Error("the path in use is forgotten")
	}
}

func TestWhatIsNotAuthenticIsDropped(t *testing.T) {
	for _, started := range []bool{false, true} {
		r, home := newRig(t, nil), newWay("192.0.2.1:1")
		if started {
			r.start()
		}
		good := r.check(nominating)
		for n := range good {
			r.handle(good[:n:n], home)
			changed := slices.Clone(good)
			changed[n] ^= 0x10
			r.handle(changed, home)
		}
		r.local.Password = "guessed"
		r.checks(home)
		r.local = Credentials{Ufrag: "other", Password: ours.Password}
		r.checks(home)
		r.local = ours
		if started {
			r.remote.Ufrag = "other"
			r.checks(home)
			r.remote = theirs
		}
		r.wantSent("nothing is authentic")
		if len(r.a.pairs) > 0 || r.a.Answered() || !r.next.IsZero() {
			t.Error("it counts")
		}
		r.handle(good, home)
		if !r.a.Answered() {
			t.Error("not answered")
		}
	}
}

func TestLiteClientIsCheckedUntilItIsThere(t *testing.T) {
	r, home := newRig(t, nil), newWay("192.0.2.1:1")
	r.tell(home, 100)
	r.next = r.a.Start(theirs, true, r.now, r)
	if !r.a.Controlling() {
		t.Error("who checks is in control, RFC 8445 §6.1.1")
	}
	r.wait(20 * time.Second)
	words, packets := r.take()
	if len(words) < maxTries+15 || len(words) > maxTries+20 {
		t.Errorf("%d checks", len(words))
	}
	r.answers(packets[len(packets)-1])
	r.answers(r.wantSent("it is valid", "nomination 192.0.2.1:1")[0])
	r.wantPath("lite", home)
	if !r.next.IsZero() {
		t.Error("something is left to do")
	}
}
