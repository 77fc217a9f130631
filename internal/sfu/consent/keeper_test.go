package consent

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v4"
)

var (
	ours   = Credentials{Ufrag: "ourUfrag", Password: "our password of 22 chars"}
	theirs = Credentials{Ufrag: "theirs", Password: strings.Repeat("a password longer than a block ", 3)}
	v4     = netip.MustParseAddrPort("192.0.2.7:40123")
	v6     = netip.MustParseAddrPort("[2001:db8::77]:40123")
	start  = time.Unix(1_000_000, 0)
)

const (
	controlled  = stun.AttrICEControlled
	controlling = stun.AttrICEControlling
)

// clientCheck is a check as pion's agent makes it.
func clientCheck(t testing.TB, role stun.AttrType, more ...stun.Setter) []byte {
	t.Helper()
	setters := append([]stun.Setter{
		stun.BindingRequest, stun.TransactionID, stun.NewUsername(ours.Ufrag + ":" + theirs.Ufrag),
		stun.RawAttribute{Type: role, Value: []byte("tiebreak")}, stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{1, 2, 3, 4}},
	}, more...)
	return build(t, append(setters, stun.NewShortTermIntegrity(ours.Password), stun.Fingerprint)...)
}

func build(t testing.TB, setters ...stun.Setter) []byte {
	t.Helper()
	m, err := stun.Build(setters...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

func decode(t testing.TB, b []byte) *stun.Message {
	t.Helper()
	m := &stun.Message{Raw: b}
	if err := m.Decode(); err != nil {
		t.Fatal(err)
	}
	if err := stun.Fingerprint.Check(m); err != nil {
		t.Fatal(err)
	}
	return m
}

func keeper() *Keeper { return New(ours, theirs, true, start) }

func TestCheckIsAnswered(t *testing.T) {
	for _, from := range []netip.AddrPort{v4, v6} {
		k, now := keeper(), start.Add(time.Second)
		// Browsers nominate in each check, and add attributes of their own.
		check := clientCheck(t, controlled, stun.RawAttribute{Type: stun.AttrUseCandidate}, stun.RawAttribute{Type: 0xc057, Value: []byte("abc")})
		room := make([]byte, MaxReply)
		n, ok := k.Take(check, from, room, now)
		if !ok {
			t.Fatal("not taken")
		}
		reply := decode(t, room[:n])
		if reply.Type != stun.BindingSuccess || reply.TransactionID != decode(t, check).TransactionID {
			t.Errorf("%v", reply)
		}
		if err := stun.NewShortTermIntegrity(ours.Password).Check(reply); err != nil {
			t.Error(err)
		}
		var mapped stun.XORMappedAddress
		if err := mapped.GetFrom(reply); err != nil || mapped.String() != from.String() {
			t.Errorf("%v, %v", mapped, err)
		}
		if !k.Heard().Equal(now) || !k.Consented().Equal(start) {
			t.Errorf("heard %v, consented %v", k.Heard(), k.Consented())
		}
	}
}

func TestWhatIsNotForThePathIsLeftToTheAgent(t *testing.T) {
	check := clientCheck(t, controlled)
	changed := func(at int) []byte {
		b := append([]byte(nil), check...)
		b[at] ^= 1
		return b
	}
	request := func(setters ...stun.Setter) []byte {
		return build(t, append([]stun.Setter{stun.BindingRequest, stun.TransactionID}, setters...)...)
	}
	user, auth := stun.NewUsername(ours.Ufrag+":"+theirs.Ufrag), stun.NewShortTermIntegrity(ours.Password)
	for name, b := range map[string][]byte{
		"empty":                 {},
		"no STUN":               []byte("\x00\x01 what else starts like a check may be"),
		"cut":                   check[:len(check)-4],
		"longer":                append(append([]byte(nil), check...), 0, 0, 0, 0),
		"other transaction":     changed(10),
		"other user":            changed(20 + 4),
		"no user":               request(auth, stun.Fingerprint),
		"of another session":    request(stun.NewUsername("x:y"), auth, stun.Fingerprint),
		"no integrity":          request(user, stun.Fingerprint),
		"no fingerprint":        request(user, auth),
		"wrong password":        request(user, stun.NewShortTermIntegrity(theirs.Password), stun.Fingerprint),
		"must be understood":    clientCheck(t, controlled, stun.RawAttribute{Type: 0x0031, Value: []byte("abcd")}),
		"same role":             clientCheck(t, controlling),
		"answer to none":        build(t, stun.BindingSuccess, stun.TransactionID, stun.NewShortTermIntegrity(theirs.Password), stun.Fingerprint),
		"answer with no id":     build(t, stun.BindingSuccess, stun.NewShortTermIntegrity(theirs.Password), stun.Fingerprint),
		"error":                 build(t, stun.BindingError, stun.TransactionID, stun.NewShortTermIntegrity(theirs.Password), stun.Fingerprint),
		"user after integrity":  request(auth, user, stun.Fingerprint),
		"integrity of two bits": request(user, stun.RawAttribute{Type: stun.AttrMessageIntegrity, Value: []byte{1, 2, 3, 4}}, stun.Fingerprint),
	} {
		k := keeper()
		if n, ok := k.Take(b, v4, make([]byte, MaxReply), start.Add(time.Second)); ok || n != 0 {
			t.Errorf("%s: taken", name)
		}
		if !k.Heard().Equal(start) {
			t.Errorf("%s: counts", name)
		}
	}
}

func TestConsentIsTheAnswerToOurOwnCheck(t *testing.T) {
	k := keeper()
	room := make([]byte, k.CheckSize())
	answer := func(b []byte, password string) []byte {
		return build(t, &stun.Message{TransactionID: decode(t, b).TransactionID}, stun.BindingSuccess,
			&stun.XORMappedAddress{IP: v4.Addr().AsSlice(), Port: int(v4.Port())}, stun.NewShortTermIntegrity(password), stun.Fingerprint)
	}
	n := k.Check(room, start)
	check := decode(t, room[:n])
	if err := stun.NewShortTermIntegrity(theirs.Password).Check(check); err != nil {
		t.Error(err)
	}
	var user stun.Username
	if err := user.GetFrom(check); err != nil || user.String() != theirs.Ufrag+":"+ours.Ufrag {
		t.Errorf("%q, %v", user, err)
	}
	if check.Type != stun.BindingRequest || !check.Contains(controlling) || check.Contains(controlled) || !check.Contains(stun.AttrPriority) {
		t.Errorf("%v", check)
	}
	first := append([]byte(nil), room[:n]...)
	take := func(b []byte, after time.Duration) bool {
		n, ok := k.Take(b, v4, nil, start.Add(after))
		return ok && n == 0
	}
	if take(answer(first, ours.Password), time.Second) {
		t.Error("answer of somebody else is taken")
	}
	if !take(answer(first, theirs.Password), 2*time.Second) || !k.Consented().Equal(start.Add(2*time.Second)) {
		t.Error("answer is not taken")
	}
	if take(answer(first, theirs.Password), 3*time.Second) {
		t.Error("an answer counts twice")
	}
	for range maxPending {
		k.Check(room, start)
	}
	if !take(answer(room[:n], theirs.Password), 4*time.Second) || !k.Heard().Equal(start.Add(4*time.Second)) {
		t.Error("the newest check is forgotten")
	}
	first = append([]byte(nil), room[:k.Check(room, start)]...)
	for range maxPending {
		k.Check(room, start)
	}
	if take(answer(first, theirs.Password), 5*time.Second) {
		t.Error("checks are kept for ever")
	}
}

func TestRoleFollowsTheAgents(t *testing.T) {
	k := keeper()
	k.SetRole(false)
	room := make([]byte, k.CheckSize())
	if check := decode(t, room[:k.Check(room, start)]); check.Contains(controlling) || !check.Contains(controlled) {
		t.Errorf("%v", check)
	}
	if _, ok := k.Take(clientCheck(t, controlling), v4, make([]byte, MaxReply), start); !ok {
		t.Error("not taken")
	}
	if _, ok := k.Take(clientCheck(t, controlled), v4, make([]byte, MaxReply), start); ok {
		t.Error("taken")
	}
}

func TestKeepersAgree(t *testing.T) {
	a, b := New(ours, theirs, true, start), New(theirs, ours, false, start)
	room, reply := make([]byte, a.CheckSize()), make([]byte, MaxReply)
	n := a.Check(room, start)
	m, ok := b.Take(room[:n], v6, reply, start)
	if !ok {
		t.Fatal("check not taken")
	}
	if _, ok := a.Take(reply[:m], v4, nil, start); !ok {
		t.Fatal("answer not taken")
	}
	if diff := cmp.Diff([]string{theirs.Ufrag, ours.Ufrag}, []string{a.RemoteUfrag(), b.RemoteUfrag()}); diff != "" {
		t.Error(diff)
	}
}

func TestRoundTripsAreThoseOfAnsweredChecks(t *testing.T) {
	const ms = time.Millisecond
	k, client := keeper(), New(theirs, ours, false, start)
	// check returns the answer to a check that is sent then.
	check := func(sent time.Duration) []byte {
		t.Helper()
		room, reply := make([]byte, k.CheckSize()), make([]byte, MaxReply)
		n, ok := client.Take(room[:k.Check(room, start.Add(sent))], v4, reply, start)
		if !ok {
			t.Fatal("check not taken")
		}
		return reply[:n]
	}
	take := func(b []byte, at time.Duration) bool {
		_, ok := k.Take(b, v4, make([]byte, MaxReply), start.Add(at))
		return ok
	}
	want := func(why string, rtt time.Duration) {
		t.Helper()
		if got := k.RTT(); got != rtt {
			t.Errorf("%s: %v, want %v", why, got, rtt)
		}
	}
	want("nothing is known yet", 0)
	first := check(0)
	take(clientCheck(t, controlled), 20*ms)
	want("a check of the client's says nothing of its distance", 0)
	take(first, 80*ms)
	want("the first counts in full", 80*ms)
	if take(first, 500*ms) {
		t.Error("an answer is taken twice")
	}
	want("an answer that comes twice counts once", 80*ms)
	check(1000 * ms)
	take(check(3000*ms), 3080*ms)
	want("a check before it was lost", 80*ms)
	early, late := check(4000*ms), check(5000*ms)
	take(late, 5080*ms)
	want("an earlier one is still under way", 80*ms)
	take(early, 5200*ms)
	want("answers that overtake each other are each of its own check", 80*ms+1120*ms/rttWeight)
	for i := range 40 {
		at := time.Duration(10+i) * time.Second
		take(check(at), at+40*ms)
	}
	if got := k.RTT(); got < 40*ms || got > 41*ms {
		t.Errorf("what was is not forgotten: %v", got)
	}
	before := k.RTT()
	take(check(60*time.Second), 85*time.Second)
	want("a client that slept is no slower than the slowest", before+(maxRTT-before)/rttWeight)

	k = keeper()
	take(check(time.Second), time.Second)
	if k.RTT() <= 0 {
		t.Error("an answer at once is not known")
	}
}

func TestTakingAndCheckingAllocateNothing(t *testing.T) {
	k, client := keeper(), New(theirs, ours, false, start)
	check, room, reply := clientCheck(t, controlled), make([]byte, 256), make([]byte, MaxReply)
	if n := testing.AllocsPerRun(100, func() {
		n, _ := client.Take(room[:k.Check(room, start)], v4, reply, start)
		if _, ok := k.Take(reply[:n], v4, nil, start); !ok {
			t.Error("answer not taken")
		}
		k.Take(check, v4, room, start)
	}); n > 6 { // the race detector empties the pool now and then; without a pool it were twelve
		t.Errorf("%v allocations", n)
	}
}

func FuzzTake(f *testing.F) {
	f.Add(clientCheck(f, controlled))
	f.Add(clientCheck(f, controlling))
	k := keeper()
	room := make([]byte, k.CheckSize())
	f.Add(room[:k.Check(room, start)])
	f.Fuzz(func(t *testing.T, b []byte) {
		n, ok := keeper().Take(b, v4, make([]byte, MaxReply), start)
		if !ok {
			return
		}
		// What we take, pion's parser takes too.
		if err := stun.NewShortTermIntegrity(ours.Password).Check(decode(t, b)); err != nil || n == 0 {
			t.Errorf("taken: %x, %v", b, err)
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	k, client := keeper(), New(theirs, ours, false, start)
	room, reply := make([]byte, k.CheckSize()), make([]byte, MaxReply)
	b.ReportAllocs()
	for b.Loop() {
		n, _ := client.Take(room[:k.Check(room, start)], v4, reply, start)
		k.Take(reply[:n], v4, nil, start)
	}
}

func BenchmarkAnswer(b *testing.B) {
	k, check, room := keeper(), clientCheck(b, controlled), make([]byte, MaxReply)
	b.ReportAllocs()
	for b.Loop() {
		k.Take(check, v4, room, start)
	}
}
