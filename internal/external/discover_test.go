package external

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// server answers each request with what reply makes of it, after it has ignored
// some.
func server(t *testing.T, ignored int, reply func(request *stun.Message) []byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, maxAnswer)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if ignored--; ignored >= 0 {
				continue
			}
			m := &stun.Message{Raw: append([]byte(nil), buf[:n]...)}
			if m.Decode() == nil {
				_, _ = conn.WriteTo(reply(m), from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return conn.LocalAddr().String()
}

func says(addr string) func(*stun.Message) []byte {
	return func(request *stun.Message) []byte {
		return stun.MustBuild(stun.NewTransactionIDSetter(request.TransactionID), stun.BindingSuccess,
			&stun.XORMappedAddress{IP: net.ParseIP(addr), Port: 1}).Raw
	}
}

func discover(t *testing.T, wait time.Duration, servers ...string) map[netip.Addr]netip.Addr {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	return Discover(ctx, []netip.Addr{loopback}, servers, slog.New(slog.DiscardHandler))
}

func TestFirstAnswerIsBelieved(t *testing.T) {
	want := netip.MustParseAddr("203.0.113.5")
	for name, servers := range map[string][]string{
		"one":                 {server(t, 0, says("203.0.113.5"))},
		"a request is lost":   {server(t, 2, says("203.0.113.5"))},
		"another is silent":   {server(t, 1000, says("")), server(t, 0, says("203.0.113.5"))},
		"another has no name": {"no such host:3478", server(t, 0, says("203.0.113.5"))},
	} {
		if got := discover(t, time.Minute, servers...)[loopback]; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestUselessAnswersAreNotBelieved(t *testing.T) {
	for name, reply := range map[string]func(*stun.Message) []byte{
		"garbage":            func(*stun.Message) []byte { return []byte("hello") },
		"of another request": func(*stun.Message) []byte { return says("203.0.113.5")(stun.MustBuild(stun.TransactionID)) },
		"an error": func(m *stun.Message) []byte {
			return stun.MustBuild(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingError).Raw
		},
		"no address": func(m *stun.Message) []byte {
			return stun.MustBuild(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess).Raw
		},
		"loopback":       says("127.0.0.1"),
		"another family": says("2001:db8::1"),
		"nothing":        says("0.0.0.0"),
		"link-local":     says("169.254.1.1"),
		"multicast":      says("224.0.0.1"),
	} {
		if got := discover(t, 300*time.Millisecond, server(t, 0, reply)); len(got) != 0 {
			t.Errorf("%s: believed %v", name, got)
		}
	}
}

func TestWithoutServersNothingIsSent(t *testing.T) {
	if got := discover(t, time.Minute); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

func FuzzAnswer(f *testing.F) {
	id := stun.MustBuild(stun.TransactionID).TransactionID
	full := says("203.0.113.5")(&stun.Message{TransactionID: id})
	for i := range full {
		f.Add(full[:i])
	}
	f.Add(full)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if addr, ok := mapped(raw, id); ok && !addr.IsGlobalUnicast() {
			t.Errorf("believed %v", addr)
		}
	})
}
