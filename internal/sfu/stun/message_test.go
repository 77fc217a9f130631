package stun

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	pion "github.com/pion/stun/v4"
)

var transaction = []byte("transaction!")

// RFC 5769 §2.1 and §2.2: a check and its answer. The padding of the names is of
// spaces there, which RFC 8489 has be zero; both are read.
const (
	sampleRequest = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36" +
		"000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
	sampleResponse = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f9" +
		"2af9ba53f06be7d780280004c07d4c96"
	samplePassword = "VOkJxbRl1RmTxUk/WvJxBt"
)

func decodeHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSamplesOfRFC5769AreRead(t *testing.T) {
	key := NewKey(samplePassword)
	b := decodeHex(t, sampleRequest)
	m, ok := Parse(b)
	if !ok || m.Kind != Request || string(m.Username) != "evtj:h6vY" || m.Priority != 0x6e0001ff ||
		!m.Controlled || m.Controlling || m.TieBreaker != 0x932ff9b151263b36 || m.UseCandidate || m.Nominates {
		t.Errorf("%+v, %t", m, ok)
	}
	if !m.Authentic(b, &key) {
		t.Error("the request is not authentic")
	}
	if got := string(Ufrag(b)); got != "evtj" {
		t.Errorf("ufrag %q", got)
	}
	b = decodeHex(t, sampleResponse)
	if m, ok = Parse(b); !ok || m.Kind != Success || !m.Authentic(b, &key) {
		t.Errorf("%+v, %t", m, ok)
	}
	other := NewKey("another")
	if m.Authentic(b, &other) {
		t.Error("authentic with any password")
	}
}

// write is a check with all that a check may have.
func write(password string) []byte {
	var w Writer
	room := make([]byte, MaxMessage)
	w.Begin(room, Request, transaction)
	w.Username("ours:theirs")
	w.Uint64(AttrControlling, 1<<63|7)
	w.Uint32(AttrPriority, 1234567)
	w.Flag(AttrUseCandidate)
	w.Uint32(AttrNomination, 9)
	key := NewKey(password)
	return room[:w.End(&key)]
}

func TestWhatIsWrittenIsReadByPionAndBack(t *testing.T) {
	for _, password := range []string{samplePassword, strings.Repeat("longer than a block of SHA-1 ", 4)} {
		b := write(password)
		theirs := &pion.Message{Raw: b}
		if err := theirs.Decode(); err != nil {
			t.Fatal(err)
		}
		if err := pion.NewShortTermIntegrity(password).Check(theirs); err != nil {
			t.Error(err)
		}
		if err := pion.Fingerprint.Check(theirs); err != nil {
			t.Error(err)
		}
		m, ok := Parse(b)
		key := NewKey(password)
		if !ok || !m.Authentic(b, &key) || m.Kind != Request || !bytes.Equal(m.ID, transaction) || string(m.Username) != "ours:theirs" ||
			!m.Controlling || m.Controlled || m.TieBreaker != 1<<63|7 || m.Priority != 1234567 || !m.UseCandidate || !m.Nominates || m.Nomination != 9 {
			t.Errorf("%+v, %t", m, ok)
		}
	}
}

func TestAddressesAreWrittenAsPionReadsThem(t *testing.T) {
	key := NewKey(samplePassword)
	for _, a := range []string{"192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"} {
		var w Writer
		room := make([]byte, MaxReply)
		w.Begin(room, Success, transaction)
		w.XORMapped(netip.MustParseAddrPort(a))
		m := &pion.Message{Raw: room[:w.End(&key)]}
		if err := m.Decode(); err != nil {
			t.Fatal(err)
		}
		var mapped pion.XORMappedAddress
		if err := mapped.GetFrom(m); err != nil || mapped.String() != a {
			t.Errorf("%s is read as %v, %v", a, mapped, err)
		}
	}
}

func TestErrorsAreWrittenAndRead(t *testing.T) {
	key := NewKey(samplePassword)
	var w Writer
	room := make([]byte, MaxReply)
	w.Begin(room, Error, transaction)
	w.ErrorCode(RoleConflict)
	b := room[:w.End(&key)]
	theirs := &pion.Message{Raw: b}
	if err := theirs.Decode(); err != nil {
		t.Fatal(err)
	}
	var code pion.ErrorCodeAttribute
	if err := code.GetFrom(theirs); err != nil || code.Code != pion.CodeRoleConflict {
		t.Errorf("%v, %v", code, err)
	}
	if m, ok := Parse(b); !ok || m.ErrorCode != RoleConflict || !m.HasIntegrity() || !m.Authentic(b, &key) {
		t.Errorf("%+v, %t", m, ok)
	}
	// Those of some clients have no integrity, and no fingerprint.
	for _, more := range [][]pion.Setter{{}, {pion.Fingerprint}} {
		bare, err := pion.Build(append([]pion.Setter{pion.BindingError, pion.TransactionID, pion.CodeRoleConflict}, more...)...)
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := Parse(bare.Raw); !ok || m.ErrorCode != RoleConflict || m.HasIntegrity() || m.Authentic(bare.Raw, &key) {
			t.Errorf("%+v, %t", m, ok)
		}
	}
}

func TestOnlyWholeMessagesAreRead(t *testing.T) {
	whole := write(samplePassword)
	for n := range whole {
		if m, ok := Parse(whole[:n:n]); ok {
			t.Errorf("%d bytes of it: %+v", n, m)
		}
		changed := slices.Clone(whole)
		changed[n] ^= 4
		if _, ok := Parse(changed); ok {
			t.Errorf("byte %d is changed", n)
		}
	}
	build := func(setters ...pion.Setter) []byte {
		m, err := pion.Build(append([]pion.Setter{pion.BindingRequest, pion.TransactionID}, setters...)...)
		if err != nil {
			t.Fatal(err)
		}
		return m.Raw
	}
	auth := pion.NewShortTermIntegrity(samplePassword)
	for name, b := range map[string][]byte{
		"no fingerprint":     build(auth),
		"no integrity":       build(pion.Fingerprint),
		"short integrity":    build(pion.RawAttribute{Type: pion.AttrMessageIntegrity, Value: []byte{1, 2, 3, 4}}, pion.Fingerprint),
		"must be understood": build(pion.RawAttribute{Type: 0x0031, Value: []byte("abcd")}, auth, pion.Fingerprint),
		"an error's code":    build(pion.CodeRoleConflict, auth, pion.Fingerprint),
		"too long":           build(pion.RawAttribute{Type: 0xc057, Value: make([]byte, MaxMessage)}, auth, pion.Fingerprint),
	} {
		if _, ok := Parse(b); ok {
			t.Error(name)
		}
	}
	if m, ok := Parse(build(pion.NewUsername("a:b"), auth, pion.NewUsername("c:d"), pion.Fingerprint)); !ok || string(m.Username) != "a:b" {
		t.Errorf("what is behind the integrity counts: %q, %t", m.Username, ok)
	}
	if m, ok := Parse(build(pion.RawAttribute{Type: AttrControlled, Value: []byte("short")}, auth, pion.Fingerprint)); !ok || m.TieBreaker != 0 {
		t.Errorf("%+v, %t", m, ok)
	}
}

func TestUfragIsTheFirstHalfOfTheName(t *testing.T) {
	build := func(setters ...pion.Setter) []byte {
		m, err := pion.Build(append([]pion.Setter{pion.TransactionID}, setters...)...)
		if err != nil {
			t.Fatal(err)
		}
		return m.Raw
	}
	other := pion.RawAttribute{Type: 0xc057, Value: []byte("odd")}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"a check", build(pion.BindingRequest, pion.NewUsername("ours:theirs")), "ours"},
		{"behind another", build(pion.BindingRequest, other, pion.NewUsername("ours:theirs")), "ours"},
		{"two colons", build(pion.BindingRequest, pion.NewUsername("ours:the:irs")), "ours"},
		{"no colon", build(pion.BindingRequest, pion.NewUsername("ours")), ""},
		{"no name", build(pion.BindingRequest, other), ""},
		{"an answer", build(pion.BindingSuccess, pion.NewUsername("ours:theirs")), ""},
		{"nothing", nil, ""},
	} {
		if got := string(Ufrag(c.b)); got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
		for n := range c.b {
			if got := Ufrag(c.b[:n:n]); got != nil {
				t.Errorf("%s: %d bytes of it: %q", c.name, n, got)
			}
		}
	}
}

func TestReadingAndWritingAllocateNothing(t *testing.T) {
	b, room := write(samplePassword), make([]byte, MaxReply)
	key := NewKey(samplePassword)
	from := netip.MustParseAddrPort("192.0.2.1:32853")
	if n := testing.AllocsPerRun(100, func() {
		m, ok := Parse(b)
		if !ok || !m.Authentic(b, &key) {
			t.Fatal("not read")
		}
		var w Writer
		w.Begin(room, Success, m.ID)
		w.XORMapped(from)
		w.End(&key)
	}); n > 3 { // the race detector empties the pool now and then; without a pool it were six
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(write(samplePassword))
	f.Add(decodeHex(f, sampleRequest))
	f.Add(decodeHex(f, sampleResponse))
	f.Add([]byte("\x01\x11\x00\x08\x21\x12\xa4\x42transaction!\x00\x09\x00\x04\x00\x00\x04\x57"))
	key := NewKey(samplePassword)
	f.Fuzz(func(t *testing.T, b []byte) {
		ufrag := Ufrag(b)
		m, ok := Parse(b)
		if !ok {
			return
		}
		// What we read, pion's parser reads too, but for what is behind the integrity.
		theirs := &pion.Message{Raw: b}
		if err := theirs.Decode(); err != nil {
			if !m.HasIntegrity() {
				t.Errorf("%x: %v", b, err)
			}
			return
		}
		if len(m.ID) != IDSize || m.ErrorCode < 0 || m.ErrorCode > 7*100+255 {
			t.Errorf("%+v", m)
		}
		if m.Authentic(b, &key) && pion.NewShortTermIntegrity(samplePassword).Check(theirs) != nil {
			t.Errorf("authentic for us only: %x", b)
		}
		if m.Kind == Request && ufrag != nil && !bytes.Contains(b, ufrag) {
			t.Errorf("%q", ufrag)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	message, key := write(samplePassword), NewKey(samplePassword)
	b.ReportAllocs()
	for b.Loop() {
		m, _ := Parse(message)
		m.Authentic(message, &key)
	}
}
