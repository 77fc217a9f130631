package transport

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/record"
)

// dtls is a record of a kind, under the keys of a handshake or before.
func dtls(kind, epoch byte, payload string) string {
	return string([]byte{kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1, 0, byte(len(payload))}) + payload
}

func TestDataIsTakenOutOfADatagramOfRecords(t *testing.T) {
	const handshake, alert, data = 22, 21, 23
	finished, secret, bye := dtls(handshake, 1, "finished"), dtls(data, 1, "data"), dtls(alert, 1, "bye")
	early := dtls(data, 0, "before there are keys")
	for name, c := range map[string]struct {
		in   string
		took []string
		left string
	}{
		"data":                  {secret, []string{secret}, ""},
		"handshake":             {finished, nil, finished},
		"both":                  {finished + secret, []string{secret}, finished},
		"data between":          {finished + secret + bye, []string{secret}, finished + bye},
		"twice":                 {secret + secret, []string{secret, secret}, ""},
		"of no keys":            {early, nil, early},
		"an empty handshake":    {dtls(handshake, 0, ""), nil, dtls(handshake, 0, "")},
		"with a broken end":     {secret + finished[:9], []string{secret}, finished[:9]},
		"a length that is long": {secret[:len(secret)-1], nil, secret[:len(secret)-1]},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			for _, one := range c.took {
				want = append(want, "data "+one)
			}
			if c.left != "" {
				want = append(want, "handshake "+c.left)
			}
			w := new(witness)
			NewLink(nil, nil, w).dispatch([]byte(c.in), nil, nil)
			if d := cmp.Diff(want, w.seen()); d != "" {
				t.Errorf("the handler has got (-want +got):\n%s", d)
			}
		})
	}
}

// Of what anybody may send, each byte is handed on once, to one that it is for.
func FuzzDispatch(f *testing.F) {
	f.Add(check("ours"))
	f.Add([]byte(dtls(22, 1, "finished") + dtls(23, 1, "data") + dtls(21, 1, "bye")))
	f.Add([]byte(dtls(23, 1, "data") + dtls(22, 1, "")[:9]))
	f.Add([]byte{0x80, 96})
	f.Add([]byte{64})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		want := len(b)
		if len(b) > 0 && !isCheck(b) && !isRecord(b) && !isMedia(b) {
			want = 0
		}
		var got int
		w := &witness{do: func(b []byte, _ *Path, _ *Batch) {
			if got += len(b); len(b) == 0 {
				t.Error("nothing is handed on")
			}
		}}
		NewLink(nil, nil, w).dispatch(b, nil, nil)
		if got != want {
			t.Errorf("%d bytes are handed on of %d", got, len(b))
		}
		for _, what := range w.seen() {
			kind, rest, _ := strings.Cut(what, " ")
			if kind == "data" && !record.IsData([]byte(rest)) {
				t.Errorf("%q is no data", rest)
			}
		}
	})
}

// What is written by itself arrives, whichever way the address is written.
func TestOneDatagramIsWritten(t *testing.T) {
	for _, plain := range []bool{false, true} {
		m, err := Listen([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, 0, Options{Plain: plain, Readers: 1})
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t)
		at := c.addr()
		for _, to := range []netip.AddrPort{at, netip.AddrPortFrom(netip.AddrFrom16(at.Addr().As16()), at.Port())} {
			if _, err := m.sockets[0].write([]byte("hello"), to); err != nil {
				t.Errorf("to %v: %v", to, err)
				continue
			}
			if got := c.receive(); got != "hello" {
				t.Errorf("got %q", got)
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
