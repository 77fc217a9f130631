package transport

import (
	"net/netip"
	"slices"
	"testing"
)

// dtls is a record of a kind, under the keys of a handshake or before.
func dtls(kind, epoch byte, payload string) string {
	return string([]byte{kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1, 0, byte(len(payload))}) + payload
}

func TestDataIsTakenOutOfADatagramOfRecords(t *testing.T) {
	const handshake, alert, data = 22, 21, 23
	finished, secret, bye := dtls(handshake, 1, "finished"), dtls(data, 1, "data"), dtls(alert, 1, "bye")
	early := dtls(data, 0, "before there are keys")
	hello := dtls(handshake, 0, "\x02 is what a server says")
	for name, c := range map[string]struct {
		in   string
		took []string
		left string
	}{
		"data":                  {secret, []string{"[" + secret + "]"}, ""},
		"handshake":             {finished, nil, finished},
		"both":                  {finished + secret, []string{"[" + secret + "]"}, finished},
		"data between":          {finished + secret + bye, []string{"[" + secret + "]"}, finished + bye},
		"twice":                 {secret + secret, []string{"[" + secret + "]", "[" + secret + "]"}, ""},
		"of no keys":            {early, nil, early},
		"a server's hello":      {hello + finished, []string{"<" + hello + ">"}, hello + finished},
		"a client's hello":      {dtls(handshake, 0, "\x01"), nil, dtls(handshake, 0, "\x01")},
		"a hello under keys":    {dtls(handshake, 1, "\x02"), nil, dtls(handshake, 1, "\x02")},
		"an empty handshake":    {dtls(handshake, 0, ""), nil, dtls(handshake, 0, "")},
		"with a broken end":     {secret + finished[:9], []string{"[" + secret + "]"}, finished[:9]},
		"a length that is long": {secret[:len(secret)-1], nil, secret[:len(secret)-1]},
	} {
		t.Run(name, func(t *testing.T) {
			h := &catcher{}
			l := NewLink(nil, h)
			left := l.takeData([]byte(c.in), nil)
			if !slices.Equal(h.got, c.took) || string(left) != c.left {
				t.Errorf("took %q, left %q", h.got, left)
			}
		})
	}
}

// What the agent writes arrives, whichever way the address is written.
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
