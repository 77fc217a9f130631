package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/testkit/serving"
)

// proxy carries signal connections to a server, until they are cut.
type proxy struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // mu guards
	down  bool       // mu guards; nobody gets through
}

func newProxy(t *testing.T, s *site) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: s.url[len("ws://"):]}
	p.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.carry(c)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.running.Wait()
	})
	return p
}

func (p *proxy) carry(in net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := net.Dial("tcp", p.to)
	if p.down || err != nil {
		_ = in.Close()
		if out != nil {
			_ = out.Close()
		}
		return
	}
	p.conns = append(p.conns, in, out)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		p.running.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = in.Close()
			_ = out.Close()
		})
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func (p *proxy) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *proxy) url() string { return "ws://" + p.listener.Addr().String() }

// quickly has a client try again without delay.
func quickly(o *client.Options) {
	o.Reconnect = client.ReconnectPolicy{Attempts: 200, Delay: func(n int) time.Duration { return min(time.Duration(n)*10*time.Millisecond, 100*time.Millisecond) }}
}

func TestCutSignalConnectionIsResumed(t *testing.T) {
	both(t, func(t *testing.T, s *site, mode func(*client.Options)) {
		wantPath(t, resumes(t, s, mode), client.Path{Protocol: "udp"})
	})
}

// resumes has media and data go both ways while signal connections are cut: alice's
// session goes on, and nobody misses anything.
func resumes(t *testing.T, s *site, mode func(*client.Options)) (alice *client.Room) {
	p := newProxy(t, s)
	direct := *s
	s.url = p.url()
	told, on := recording(t)
	data, data2 := recording(t)
	alice = s.join("alice", mode, quickly, on, data2)
	seen, also := recording(t)
	bob := direct.join("bob", mode, also)
	mine, theirs := client.NewLocalTrack(client.Opus), client.NewLocalTrack(client.VP8)
	play(t, mine, tone())
	play(t, theirs, picture(320, 240, 1000))
	pub, err := alice.Local().Publish(s.context(), client.PublishOptions{}, mine)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Local().Publish(s.context(), client.PublishOptions{Width: 320, Height: 240}, theirs); err != nil {
		t.Fatal(err)
	}
	heard, watched := next[client.TrackSubscribed](seen).Track, next[client.TrackSubscribed](told).Track
	sid, track := alice.Local().SID(), pub.SID()

	// Data goes both ways all the while.
	const n = 600
	var sending sync.WaitGroup
	for _, from := range []*client.Room{alice, bob} {
		sending.Go(func() {
			for i := range n {
				if err := from.Local().PublishData(s.context(), fmt.Appendf(nil, "%d", i), client.DataOptions{}); err != nil {
					t.Errorf("message %d: %v", i, err)
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for range 2 {
		p.cut()
		if e := next[client.Reconnecting](told); e.Full {
			t.Error("not resumed")
		}
		if e := next[client.Reconnected](told); e.Full {
			t.Error("not resumed")
		}
	}
	sending.Wait()
	for who, r := range map[string]*record{"alice": data, "bob": seen} {
		wantNumbers(r, who, n)
	}
	if alice.Local().SID() != sid || pub.SID() != track || pub != alice.Local().Tracks()[0] {
		t.Error("the session has changed")
	}
	for _, tr := range []*client.RemoteTrack{heard, watched} {
		for range 20 {
			if _, err := tr.ReadRTP(); err != nil {
				t.Fatalf("track %s: %v", tr.SID(), err)
			}
		}
	}
	select {
	case e := <-seen.events:
		switch e.(type) {
		case client.ParticipantDisconnected, client.TrackUnpublished, client.TrackUnsubscribed:
			t.Errorf("bob was told %s", e.View())
		}
	default:
	}
	// What the room does meanwhile is known afterwards.
	if err := bob.Local().SetMetadata(s.context(), "news"); err != nil {
		t.Fatal(err)
	}
	if e := next[client.ParticipantMetadataChanged](told); e.Metadata != "news" {
		t.Errorf("metadata %q", e.Metadata)
	}
	return alice
}

func TestLostDataChannelIsJoinedAnew(t *testing.T) {
	s := anySite(t)
	told, on := recording(t)
	alice := s.join("alice", quickly, on)
	seen, also := recording(t)
	s.join("bob", also)
	say := func(what string) {
		t.Helper()
		if err := alice.Local().PublishData(s.context(), []byte(what), client.DataOptions{}); err != nil {
			t.Fatal(err)
		}
		if e := next[client.DataReceived](seen); string(e.Payload) != what {
			t.Errorf("data %q, want %q", e.Payload, what)
		}
	}
	say("before")
	client.EndData(alice)
	next[client.Reconnecting](told)
	if e := next[client.Reconnected](told); !e.Full {
		t.Error("resumed without a data channel")
	}
	say("after")
}

// wantNumbers checks that the messages 0 to n-1 came, in order, each once.
func wantNumbers(r *record, who string, n int) {
	r.t.Helper()
	for i := range n {
		if e := next[client.DataReceived](r); string(e.Payload) != fmt.Sprint(i) {
			r.t.Fatalf("%s: message %d is %s", who, i, e.Payload)
		}
	}
}

func TestServerThatForgotEverybodyIsJoinedAnew(t *testing.T) {
	for name, mode := range map[string]func(*client.Options){"dual": func(*client.Options) {}, "single": single} {
		t.Run(name, func(t *testing.T) {
			server := serving.Start(t, options())
			s := &site{t: t, url: "ws://" + server.Addr().String(), key: testKey, secret: testSecret}
			p := newProxy(t, s)
			s.url = p.url()
			record, on := recording(t)
			alice := s.join("alice", mode, quickly, on)
			bob := s.join("bob", mode, quickly)
			mine := client.NewLocalTrack(client.Opus)
			play(t, mine, tone())
			pub, err := bob.Local().Publish(s.context(), client.PublishOptions{Name: "voice"}, mine)
			if err != nil {
				t.Fatal(err)
			}
			first := next[client.TrackSubscribed](record)
			before, sid := pub.SID(), alice.Local().SID()

			// Another server, on other ports: nothing of the old one is left.
			p.setDown(true)
			p.cut()
			serving.Stop(t, server)
			server = serving.Start(t, options())
			defer func() { serving.Stop(t, server) }()
			p.mu.Lock()
			p.to = server.Addr().String()
			p.mu.Unlock()
			p.setDown(false)

			next[client.Reconnecting](record)
			if u := next[client.TrackUnsubscribed](record); u.Track != first.Track {
				t.Error("unsubscribed from another track")
			}
			next[client.TrackUnpublished](record)
			next[client.ParticipantDisconnected](record)
			e := next[client.TrackSubscribed](record)
			for range 5 {
				if _, err := e.Track.ReadRTP(); err != nil {
					t.Fatal(err)
				}
			}
			if e.Publication.Name() != "voice" || e.Publication.SID() == before || pub.SID() != e.Publication.SID() {
				t.Errorf("published again as %s, bob says %s", e.Publication.SID(), pub.SID())
			}
			if alice.Local().SID() == sid || alice.Connection() != client.StateConnected {
				t.Error("alice has not joined anew")
			}
			if _, err := e.Track.ReadRTP(); err != nil {
				t.Error(err)
			}
			if err := bob.Local().PublishData(s.context(), []byte("again"), client.DataOptions{}); err != nil {
				t.Fatal(err)
			}
			if d := next[client.DataReceived](record); string(d.Payload) != "again" {
				t.Errorf("got %q", d.Payload)
			}
			leave(t, alice)
			leave(t, bob)
		})
	}
}

func TestServerThatIsGoneIsGivenUp(t *testing.T) {
	s := anySite(t)
	p := newProxy(t, s)
	s.url = p.url()
	record, on := recording(t)
	room := s.join("alice", on, func(o *client.Options) {
		o.Reconnect = client.ReconnectPolicy{Attempts: 3, Delay: func(int) time.Duration { return time.Millisecond }}
	})
	p.setDown(true)
	p.cut()
	next[client.Reconnecting](record)
	e := next[client.Disconnected](record)
	if !errors.Is(e.Err, client.ErrReconnectFailed) || e.Reason == livekit.DisconnectReason_UNKNOWN_REASON {
		t.Errorf("disconnected: %s, %v", e.Reason, e.Err)
	}
	if !errors.As(e.Err, new(*client.ConnectError)) {
		t.Errorf("not told why: %v", e.Err)
	}
	<-room.Done()
	for e := range room.Events(context.Background()) {
		t.Errorf("after the end: %s", e.View())
	}
}
