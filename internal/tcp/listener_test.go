package tcp

import (
	"errors"
	"net"
	"testing"
)

func TestConnectionsKnowBothAddresses(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "tcp"} {
		plain, err := net.Listen(network, ":0")
		if err != nil {
			t.Logf("%s: %v", network, err) // a machine may have no IPv6
			continue
		}
		l := Wrap(plain)
		port := l.Addr().(*net.TCPAddr).Port
		host := net.IPv4(127, 0, 0, 1)
		if network == "tcp6" {
			host = net.IPv6loopback
		}
		client, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: host, Port: port})
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := server.LocalAddr().String(), client.RemoteAddr().String(); got != want {
			t.Errorf("%s: accepted at %s, client connected to %s", network, got, want)
		}
		if got, want := server.RemoteAddr().String(), client.LocalAddr().String(); got != want {
			t.Errorf("%s: accepted from %s, client is %s", network, got, want)
		}
		_, _, _ = server.Close(), client.Close(), l.Close()
	}
}

func TestListenersEndAsThoseOfNet(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Wrap(plain)
	failed := make(chan error)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_ = conn.Close()
		}
		failed <- err
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after the end: %v", err)
	}
	if _, err := net.Dial("tcp", plain.Addr().String()); err == nil {
		t.Error("the port is still bound")
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}
