package transport

import (
	"bytes"
	"net"
	"testing"
)

// answering takes what ends in "mine" and answers with "yes".
func answering() *catcher {
	return &catcher{answers: func(b []byte, path *Path, batch *Batch) bool {
		if !bytes.HasSuffix(b, []byte("mine")) {
			return false
		}
		batch.Add(path, copy(batch.Reserve(3), "yes"))
		return true
	}}
}

func TestChecksOfThePathAreAnsweredWhereTheyAreRead(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		m := newMux(t, o)
		c := share(t, m, NewLink(m, answering()), "ours")
		home, away := newClient(t), newClient(t)
		read := func() string {
			b := make([]byte, 100)
			n, from, err := c.ReadFromAddrPort(b)
			if err != nil {
				t.Fatal(err)
			}
			if from == home.addr() {
				return "home " + string(b[:n])
			}
			return "away " + string(b[:n])
		}
		mine := append(check("ours"), "mine"...)
		mine[3] += 4
		home.send(m, mine)
		if got := read(); got != "home "+string(mine) {
			t.Errorf("without a path the agent gets %q", got)
		}
		reach(t, c, home)
		for _, b := range [][]byte{mine, []byte("\x01\x01an answer of mine")} {
			home.send(m, b)
			if got := home.receive(); got != "yes" {
				t.Errorf("the client gets %q", got)
			}
		}
		away.send(m, mine)
		if got := read(); got != "away "+string(mine) {
			t.Errorf("from elsewhere the agent gets %q", got)
		}
		home.send(m, []byte("\x01\x01an answer of nobody's"))
		if got := read(); got != "home \x01\x01an answer of nobody's" {
			t.Errorf("of what is not taken the agent gets %q", got)
		}
		c.link.Drop()
		if c.link.Path() != nil {
			t.Error("there is still a path")
		}
		home.send(m, mine)
		if got := read(); got != "home "+string(mine) {
			t.Errorf("with no path any more the agent gets %q", got)
		}
	})
}

func TestChecksOfASocketOfTheAgentsOwn(t *testing.T) {
	ours, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	client := newClient(t)
	l := NewLink(nil, answering())
	c := l.Adopt(ours, false)
	if _, err := c.WriteTo([]byte("hi"), client.LocalAddr()); err != nil || client.receive() != "hi" {
		t.Fatal("not written")
	}
	if !l.Select(client.addr(), false) {
		t.Fatal("no path")
	}
	for _, b := range []string{"\x00\x01mine", "\x00\x01the agent's"} {
		if _, err := client.WriteTo([]byte(b), ours.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 100)
	if n, _, err := c.ReadFrom(b); err != nil || string(b[:n]) != "\x00\x01the agent's" {
		t.Errorf("the agent gets %q, %v", b[:n], err)
	}
	if got := client.receive(); got != "yes" {
		t.Errorf("the client gets %q", got)
	}
}
