package rtmp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// push runs ffmpeg with these arguments, to the address.
func push(t *testing.T, url string, args ...string) {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("ffmpeg is not here; apt-get install ffmpeg")
	}
	all := append([]string{"-hide_banner", "-loglevel", "error", "-nostdin"}, args...)
	out, err := exec.Command(ffmpeg, append(all, "-f", "flv", url)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
}

func TestWhatFfmpegPublishesComesWhole(t *testing.T) {
	for _, b := range []int{0, 2} {
		r := &recorder{key: "secret"}
		_, addr := serve(t, Options{Handler: r})
		push(t, "rtmp://"+addr+"/live/secret",
			"-f", "lavfi", "-i", "testsrc2=s=322x182:r=30", "-f", "lavfi", "-i", "sine=440:r=44100", "-t", "3",
			"-c:v", "libx264", "-preset", "ultrafast", "-bf", fmt.Sprint(b), "-g", "30", "-c:a", "aac", "-ac", "1")
		eventually(t, "the end", func() bool { return look(r, func() int { return len(r.closed) }) == 1 })
		r.mu.Lock()
		if r.closed[0] != nil || len(r.failed) > 0 {
			t.Errorf("closed for %v; failed %v", r.closed, r.failed)
		}
		if q := r.asked[0]; q.App != "live" || q.Key != "secret" || q.TLS || q.Client == "" {
			t.Errorf("asked as %+v", q)
		}
		frames, keys, shifted := 0, 0, 0
		for i, v := range r.video {
			if i == 0 && (v.Kind != flv.Config || v.Codec != flv.H264 || v.Data[0] != 1) {
				t.Errorf("begins with %+v", v)
			}
			if v.Kind == flv.Frame {
				frames++
			}
			if v.Key && v.Kind == flv.Frame {
				keys++
			}
			if v.CTS != 0 {
				shifted++
			}
		}
		sounds := 0
		for _, a := range r.audio {
			if a.Codec != flv.AAC {
				t.Errorf("sound is %s", a.Codec)
			}
			if a.Kind == flv.Frame {
				sounds++
			}
		}
		if frames != 90 || keys != 3 || (shifted > 0) != (b > 0) || sounds < 128 || sounds > 132 {
			t.Errorf("with %d B-frames: %d pictures, %d of them key frames, %d of them shifted, %d of sound", b, frames, keys, shifted, sounds)
		}
		r.mu.Unlock()
	}
}

// The 32 bits of milliseconds end after 49 days; some clients begin there.
func TestTimesRunOnBeyond32Bits(t *testing.T) {
	r := &recorder{key: "k"}
	_, addr := serve(t, Options{Handler: r})
	c := dial(t, addr).handshake()
	if code, err := c.publish("x", "k"); code != "NetStream.Publish.Start" {
		t.Fatal(code, err)
	}
	body := []byte{0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x65}
	begin := uint32(0xffffff00)
	for i := range 100 {
		c.send(6, message{kind: msgVideo, stream: 1, at: begin + uint32(i)*40, body: body})
	}
	eventually(t, "a hundred frames", func() bool { return look(r, func() int { return len(r.video) }) == 100 })
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, at := range r.times {
		if want := time.Duration(int64(begin)+int64(i)*40) * time.Millisecond; at != want {
			t.Fatalf("frame %d is at %v, want %v", i, at, want)
		}
	}
}

// Nobody without a key has the server take a large message.
func TestLargeMessagesAreForThosePublishing(t *testing.T) {
	r := &recorder{key: "k"}
	_, addr := serve(t, Options{Handler: r})
	large := message{kind: msgVideo, stream: 1, body: append([]byte{0x17, 1, 0, 0, 0}, make([]byte, 1<<20)...)}
	c := dial(t, addr).handshake()
	_, _ = c.Write(appendMessage(nil, defaultChunk, 6, large))
	if _, err := c.answer(); err == nil {
		t.Error("there is an answer")
	}
	c = dial(t, addr).handshake()
	if code, err := c.publish("x", "k"); code != "NetStream.Publish.Start" {
		t.Fatal(code, err)
	}
	c.send(6, large)
	eventually(t, "the picture", func() bool { return look(r, func() int { return len(r.video) }) == 1 })
}

func TestKeyIsTheLastPartOfThePath(t *testing.T) {
	for _, tc := range []struct{ app, name, wantApp, wantKey string }{
		{"live", "key", "live", "key"},
		{"live/", "/key", "live", "key"},
		{"x/key", "", "x", "key"},
		{"key", "", "", "key"},
		{"a/b", "key?token=1", "a/b", "key"},
		{"live?x=1", "key", "live", "key"},
		{"live", "more/key", "live/more", "key"},
		{"", "", "", ""},
	} {
		if app, key := split(tc.app, tc.name); app != tc.wantApp || key != tc.wantKey {
			t.Errorf("%q and %q are %q and %q", tc.app, tc.name, app, key)
		}
	}
}

func TestWrongKeysAreRefusedWithAReasonAndThenNotAtAll(t *testing.T) {
	r := &recorder{key: "right"}
	s, addr := serve(t, Options{Handler: r, WrongKeys: 5, WrongKeyEvery: time.Hour})
	refused, unheard := 0, 0
	for i := range 1000 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if i < 8 {
			cl := &client{Conn: c, t: t, in: newChunkReader(c)}
			code, err := tryPublish(cl, fmt.Sprint("wrong", i))
			switch {
			case code == "NetStream.Publish.BadName":
				refused++
			case err != nil:
				unheard++
			default:
				t.Errorf("wrong key %d: %q", i, code)
			}
		} else if _, err := io.ReadFull(c, make([]byte, 1)); err == nil {
			t.Errorf("connection %d is let in", i)
		}
		c.Close()
	}
	if refused != 6 || unheard != 2 {
		t.Errorf("%d were told why, %d were not heard", refused, unheard)
	}
	if st := s.Stats(); st.WrongKeys != 6 || st.Refused < 990 {
		t.Errorf("%+v", st)
	}
}

// tryPublish is publish for a server that may hang up at any time.
func tryPublish(c *client, key string) (code string, err error) {
	hello := append([]byte{3}, make([]byte, 2*handshakeSize)...)
	if _, err := c.Write(hello); err != nil {
		return "", err
	}
	if _, err := io.ReadFull(c.Conn, make([]byte, 1+2*handshakeSize)); err != nil {
		return "", err
	}
	return c.publish("live", key)
}

func TestSlowAndSilentClientsAreLetGo(t *testing.T) {
	s, addr := serve(t, Options{Handler: &recorder{key: "k"}, PublishTimeout: shakes})
	shaken := dial(t, addr).handshake()
	begun := [][]byte{nil, {3}, append([]byte{3}, make([]byte, 700)...)}
	var clients []*client
	for _, b := range begun {
		c := dial(t, addr)
		_, _ = c.Write(b)
		clients = append(clients, c)
	}
	for i, c := range clients {
		if n, err := io.Copy(io.Discard, c); n > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("after %d bytes: %d, %v", len(begun[i]), n, err)
		}
	}
	_, _ = io.Copy(io.Discard, shaken)
	eventually(t, "nobody is there", func() bool { return s.Stats().Open == 0 })
}

func TestSilentPublisherIsLetGo(t *testing.T) {
	r := &recorder{key: "k"}
	_, addr := serve(t, Options{Handler: r, IdleTimeout: 50 * time.Millisecond})
	c := dial(t, addr).handshake()
	if code, err := c.publish("x", "k"); code != "NetStream.Publish.Start" {
		t.Fatal(code, err)
	}
	eventually(t, "the end", func() bool { return look(r, func() int { return len(r.closed) }) == 1 })
	if err := r.closed[0]; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("closed for %v", err)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	deep := bytes.Repeat([]byte{3, 0, 1, 'a'}, 10_000)
	for name, tc := range map[string]struct {
		before bool // the handshake
		bytes  []byte
	}{
		"HTTP":               {false, []byte("GET / HTTP/1.1\r\n\r\n")},
		"TLS":                {false, []byte{22, 3, 1, 0, 1}},
		"RTMPE":              {false, append([]byte{6}, make([]byte, handshakeSize)...)},
		"type 3 first":       {true, []byte{0xc3, 1, 2, 3}},
		"oversized message":  {true, []byte{3, 0, 0, 0, 0xff, 0xff, 0xff, 20, 0, 0, 0, 0}},
		"chunks of nothing":  {true, appendMessage(nil, 128, 2, message{kind: msgSetChunk, body: []byte{0, 0, 0, 0}})},
		"short control":      {true, appendMessage(nil, 128, 2, message{kind: msgSetChunk, body: []byte{1}})},
		"AMF without end":    {true, appendMessage(nil, 128, 3, message{kind: msgCommand, body: []byte{2, 0xff, 0xff}})},
		"AMF within AMF":     {true, appendMessage(nil, 128, 3, message{kind: msgCommand, body: deep})},
		"publish first":      {true, appendMessage(nil, 128, 3, message{kind: msgCommand, body: appendAMF(nil, "publish", 1.0, nil, "k", "live")})},
		"a play":             {true, appendMessage(nil, 128, 3, message{kind: msgCommand, body: appendAMF(nil, "play", 1.0, nil, "k")})},
		"many of no use":     {true, bytes.Repeat(appendMessage(nil, 128, 3, message{kind: msgAck, body: []byte{0, 0, 0, 1}}), maxBeforeStream+1)},
		"many chunk streams": {true, manyStreams()},
	} {
		t.Run(name, func(t *testing.T) {
			s, addr := serve(t, Options{Handler: &recorder{key: "k"}})
			c := dial(t, addr)
			if tc.before {
				c.handshake()
			}
			_, _ = c.Write(tc.bytes)
			_, _ = io.Copy(io.Discard, c) // ends when the server has hung up
			eventually(t, "nobody is there", func() bool { return s.Stats().Open == 0 })
		})
	}
}

func manyStreams() (b []byte) {
	for id := range maxChunkStreams + 1 {
		b = append(b, 0, byte(id), 0, 0, 0, 0, 1, 0, 20, 0, 0, 0, 0)
		b = append(b, make([]byte, defaultChunk)...)
	}
	return b
}

func TestUnknownMessagesAndTagsAreSkipped(t *testing.T) {
	r := &recorder{key: "k"}
	_, addr := serve(t, Options{Handler: r})
	c := dial(t, addr).handshake()
	c.command(0, "releaseStream", 1.0, nil, "k")
	if code, err := c.publish("x", "k"); code != "NetStream.Publish.Start" {
		t.Fatal(code, err)
	}
	c.send(4, message{kind: 108, stream: 1, body: []byte("what is this")})
	c.send(4, message{kind: 18, stream: 1, body: appendAMF(nil, "@setDataFrame", "onMetaData", object{{"width", 1.0}})})
	c.command(1, "whatIsThis", 9.0, nil)
	c.send(6, message{kind: msgVideo, stream: 1, body: []byte{0x57, 0}})
	c.send(6, message{kind: msgVideo, stream: 1, body: []byte{0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x65}})
	c.command(1, "deleteStream", 10.0, nil, 1.0)
	eventually(t, "the end", func() bool { return look(r, func() int { return len(r.closed) }) == 1 })
	if len(r.video) != 1 || r.closed[0] != nil || len(r.failed) > 0 {
		t.Errorf("%+v, closed for %v, failed %v", r.video, r.closed, r.failed)
	}
}

func TestAddressHasItsShareOfConnections(t *testing.T) {
	s, addr := serve(t, Options{Handler: &recorder{key: "k"}, MaxPerAddress: 3})
	for range 3 {
		dial(t, addr).handshake()
	}
	c := dial(t, addr)
	if n, _ := io.Copy(io.Discard, c); n > 0 {
		t.Error("a fourth one is let in")
	}
	if st := s.Stats(); st.Open != 3 || st.Refused != 1 {
		t.Errorf("%+v", st)
	}
}

func TestServerEndsAPublication(t *testing.T) {
	r := &recorder{key: "k", done: make(chan struct{})}
	_, addr := serve(t, Options{Handler: r})
	c := dial(t, addr).handshake()
	if code, err := c.publish("x", "k"); code != "NetStream.Publish.Start" {
		t.Fatal(code, err)
	}
	close(r.done)
	_, _ = io.Copy(io.Discard, c)
	eventually(t, "the end", func() bool { return look(r, func() int { return len(r.closed) }) == 1 })
}
