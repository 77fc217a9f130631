package ffmpeg

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// Whatever a URL has in it, the host that is dialled is the one that is checked: the
// child is given a port of this machine.
func TestChildrenConnectToTheRelayAlone(t *testing.T) {
	for _, tc := range []struct{ url, host, tcurl, tail string }{
		{"rtmp://h/app/key", "h:1935", "rtmp://h:1935/app", "/app/key"},
		{"RTMPS://h/app/key?x=y", "h:443", "rtmps://h:443/app", "/app/key?x=y"},
		{"rtmp://u:p@h:99/a/b/key", "h:99", "rtmp://h:99/a/b", "/a/b/key"},
		{"rtmp://[::1]/app/mp4:a/b", "[::1]:1935", "rtmp://[::1]:1935/app", "/app/mp4:a/b"},
		{"rtmp://public?@127.0.0.1/app/key", "public:1935", "rtmp://public:1935/?@127.0.0.1/app", "?@127.0.0.1/app/key"},
		{"rtmp://public#@127.0.0.1/app/key", "public:1935", "rtmp://public:1935/#@127.0.0.1/app", "#@127.0.0.1/app/key"},
		{"mux://key", "global-live.mux.com:443", "rtmps://global-live.mux.com:443/app", "/app/key"},
		{"twitch://key", "ingest.global-contribute.live-video.net:443", "rtmps://ingest.global-contribute.live-video.net:443/app", "/app/key"},
	} {
		d, err := parse(tc.url)
		if err != nil {
			t.Errorf("%s: %v", tc.url, err)
			continue
		}
		w, err := d.open(Guard{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Join(w.args, " ")
		if d.host != tc.host || !strings.Contains(args, "-rtmp_tcurl "+tc.tcurl+" ") || w.url != "rtmp://"+d.user+w.relay.address()+tc.tail {
			t.Errorf("%s: dials %s by %s", tc.url, d.host, args)
		}
		w.close()
	}
	for _, bad := range []string{"", "rtmp://", "rtmp:///app", "http://h/a", "srt://h", "file:///etc/passwd"} {
		if d, err := parse(bad); err == nil {
			t.Errorf("%q leads to %+v", bad, d)
		}
	}
}

func TestSRTGoesToTheAddressThatWasChecked(t *testing.T) {
	refuse := errors.New("not there")
	guard := Guard{Check: func(a netip.Addr) error {
		if a.IsLoopback() {
			return refuse
		}
		return nil
	}}
	d, err := parse("srt://127.0.0.1:9000?streamid=x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.open(guard, nil); !errors.Is(err, refuse) {
		t.Errorf("it is let through: %v", err)
	}
	d.host = "localhost:9000"
	if _, err := d.open(guard, nil); !errors.Is(err, refuse) {
		t.Errorf("a name is let through: %v", err)
	}
	w, err := d.open(Guard{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "srt://127.0.0.1:9000?streamid=x"; w.url != want && w.url != "srt://[::1]:9000?streamid=x" {
		t.Errorf("it goes to %s, not to an address", w.url)
	}
}

// A relay dials under the guard each time, verifies certificates, and hands on both
// ways until the end.
func TestRelay(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n')
			_, _ = c.Write([]byte("heard " + line))
			_ = c.Close()
		}
	}()
	plain := (&net.Dialer{}).DialContext
	talk := func(r *relay) (string, error) {
		c, err := net.Dial("tcp", r.address())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = c.Write([]byte("hello\n"))
		return bufio.NewReader(c).ReadString('\n')
	}
	r, err := newRelay(plain, echo.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := talk(r); got != "heard hello\n" {
		t.Errorf("%q, %v", got, err)
	}
	r.close()

	refuse := errors.New("not there")
	r, err = newRelay(func(context.Context, string, string) (net.Conn, error) { return nil, refuse }, echo.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := talk(r); err == nil {
		t.Errorf("it was let through: %q", got)
	}
	r.close()
	if err := r.problem(); !errors.Is(err, refuse) {
		t.Errorf("the problem is %v", err)
	}

	secure := httptest.NewTLSServer(nil) // of a certificate that nobody signed
	defer secure.Close()
	r, err = newRelay(plain, secure.Listener.Addr().String(), true)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := talk(r); err == nil {
		t.Errorf("it was let through: %q", got)
	}
	r.close()
	var unknown x509.UnknownAuthorityError
	if err := r.problem(); !errors.As(err, &unknown) && !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("the problem is %v", err)
	}
}

// What is refused when a connection is made is told, without the key.
func TestRefusedDestinationSaysWhy(t *testing.T) {
	program := program(t)
	states := make(chan error, 16)
	o := PushOptions{GiveUp: time.Nanosecond, Guard: Guard{Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("is no public address")
	}}}
	p, err := program.Push("rtmp://name.of.no.one/live/the-secret", []container.Track{{Codec: container.AAC, Rate: 48000, Channels: 2}}, o, func(s State, err error) {
		if s == Failed {
			states <- err
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { // until it has enough to connect
		for n := 0; ; n++ {
			select {
			case <-p.Done():
				return
			case <-time.After(5 * time.Millisecond):
				p.Push(container.Frame{At: time.Duration(n) * 20 * time.Millisecond, Data: make([]byte, 300), Key: true})
			}
		}
	}()
	select {
	case err = <-states:
	case <-time.After(time.Minute):
		t.Fatal("it says nothing")
	}
	if !strings.Contains(err.Error(), "is no public address") || strings.Contains(err.Error(), "secret") {
		t.Errorf("it says %v", err)
	}
	p.Close()
}
