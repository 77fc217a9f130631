package upgrade

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seen is what a handler sees of a request.
type seen struct {
	Method, URI, Path, Host, Proto string
	Length                         int64
	Header                         http.Header
	Body                           string
}

// handler notes requests, and answers them by what their query says.
type handler struct {
	mu   sync.Mutex
	all  []seen
	past int // requests that net/http had no part in
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	h.all = append(h.all, seen{r.Method, r.RequestURI, r.URL.Path, r.Host, r.Proto, r.ContentLength, r.Header, string(body)})
	if _, ok := w.(*writer); ok {
		h.past++
	}
	h.mu.Unlock()
	switch {
	case r.URL.Query().Has("panic"):
		panic("of the test")
	case r.URL.Query().Has("abort"):
		panic(http.ErrAbortHandler)
	case r.URL.Query().Has("refuse"):
		w.Header().Set("X-Reason", "of the test")
		http.Error(w, "not you", http.StatusUnauthorized)
	case r.Header.Get("Upgrade") != "":
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = io.WriteString(conn, line)
	default:
		_, _ = io.WriteString(w, "hello")
	}
}

// running is a server, past net/http if wrapped.
type running struct {
	*handler
	server *http.Server
	addr   string
	log    text
	served chan error
}

// text is a buffer that one writes to while another reads.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(b)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

func serve(t testing.TB, wrapped bool, timeout time.Duration) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &running{handler: new(handler), addr: l.Addr().String(), served: make(chan error, 1)}
	s.server = &http.Server{Handler: s.handler, ReadHeaderTimeout: timeout, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	if wrapped {
		l = Wrap(l, s.server, slog.New(slog.NewTextHandler(&s.log, nil)), "/rtc", "/rtc/v1")
	}
	go func() { s.served <- s.server.Serve(l) }()
	t.Cleanup(func() {
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

func (s *running) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// exchange sends parts, each when the one before is likely to be read, and returns what the
// handler saw, and what was answered in all.
func (s *running) exchange(t testing.TB, parts ...string) (all []seen, answers string) {
	t.Helper()
	conn := s.dial(t)
	for i, part := range parts {
		if i > 0 {
			time.Sleep(5 * time.Millisecond)
		}
		if _, err := io.WriteString(conn, part); err != nil {
			break // it is refused already
		}
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	b, err := io.ReadAll(conn)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all, s.all = s.all, nil
	return all, string(b)
}

// status is what matters of answers: net/http says when, and keeps connections.
func status(answers string) string {
	line, _, _ := strings.Cut(answers, "\r\n")
	return line
}

const join = "GET /rtc?access_token=a.b.c&sdk=js HTTP/1.1\r\nHost: call.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// requests are some, and whether they are for here.
var requests = map[string]struct {
	text string
	past bool
}{
	"to join":                  {join, true},
	"to the other path":        {strings.Replace(join, "/rtc?", "/rtc/v1?", 1), true},
	"without a query":          {"GET /rtc HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n\r\n", true},
	"refused":                  {strings.Replace(join, "/rtc?", "/rtc?refuse&", 1), true},
	"with a token":             {strings.Replace(join, "\r\nUp", "\r\nAuthorization: Bearer a.b.c\r\nUp", 1), true},
	"a header twice":           {strings.Replace(join, "\r\nUp", "\r\nX-A: 1\r\nx-a: 2\r\nUp", 1), true},
	"two slashes":              {strings.Replace(join, "/rtc", "//rtc", 1), false},
	"an escaped path":          {strings.Replace(join, "/rtc", "/%72tc", 1), false},
	"another path":             {strings.Replace(join, "/rtc?", "/rtc/validate?", 1), false},
	"a longer path":            {strings.Replace(join, "/rtc?", "/rtcs?", 1), false},
	"no upgrade":               {strings.Replace(join, "Upgrade: websocket\r\n", "", 1), false},
	"another upgrade":          {strings.Replace(join, "websocket", "h2c", 1), false},
	"another method":           {strings.Replace(join, "GET", "POST", 1), false},
	"HTTP/1.0":                 {strings.Replace(join, "HTTP/1.1", "HTTP/1.0", 1), false},
	"HTTP/2.0":                 {strings.Replace(join, "HTTP/1.1", "HTTP/2.0", 1), false},
	"two hosts":                {strings.Replace(join, "\r\nUp", "\r\nhost: b\r\nUp", 1), false},
	"a host that is none":      {strings.Replace(join, "call.example", "a b", 1), false},
	"no host":                  {strings.Replace(join, "Host: call.example\r\n", "", 1), false},
	"a body":                   {strings.Replace(join, "\r\nUp", "\r\nContent-Length: 2\r\nUp", 1) + "ab", false},
	"a body that is announced": {strings.Replace(join, "\r\nUp", "\r\nContent-Length: 2\r\nUp", 1), false},
	"a body in chunks":         {strings.Replace(join, "\r\nUp", "\r\nTransfer-Encoding: chunked\r\nUp", 1) + "0\r\n\r\n", false},
	"it expects":               {strings.Replace(join, "\r\nUp", "\r\nExpect: 100-continue\r\nUp", 1), false},
	"it expects more":          {strings.Replace(join, "\r\nUp", "\r\nExpect: tea\r\nUp", 1), false},
	"something follows":        {join + "abc\n", false},
	"another follows":          {"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" + join, false},
	"no ASCII":                 {strings.Replace(join, "sdk=js", "sdk=\xff", 1), false},
	"no ASCII in a header":     {strings.Replace(join, "\r\nUp", "\r\nX-A: \xc3\xb1\r\nUp", 1), false},
	"a control character":      {strings.Replace(join, "\r\nUp", "\r\nX-A: \x01\r\nUp", 1), false},
	"a tab":                    {strings.Replace(join, "\r\nUp", "\r\nX-A:\t1\r\nUp", 1), false},
	"a space in a name":        {strings.Replace(join, "\r\nUp", "\r\nX A: 1\r\nUp", 1), false},
	"no colon":                 {strings.Replace(join, "\r\nUp", "\r\nX\r\nUp", 1), false},
	"a folded header":          {strings.Replace(join, "\r\nUp", "\r\nX-A: 1\r\n 2\r\nUp", 1), true},
	"lines of another kind":    {strings.ReplaceAll(join, "\r\n", "\n"), true},
	"an escape that is none":   {strings.Replace(join, "sdk=js", "sdk=%zz", 1), true},
	"long":                     {strings.Replace(join, "a.b.c", strings.Repeat("a", maxHead-len(join)), 1), true},
	"too long":                 {strings.Replace(join, "a.b.c", strings.Repeat("a", maxHead), 1), false},
	"cut":                      {join[:len(join)-2], false},
	"cut early":                {join[:5], false},
	"nothing":                  {"", false},
	"something else":           {"\x16\x03\x01\x02\x00\x01", false},
}

func TestRequestsAreAnsweredAsByNetHTTP(t *testing.T) {
	ours, theirs := serve(t, true, time.Minute), serve(t, false, time.Minute)
	for name, r := range requests {
		ours.past = 0
		got, answer := ours.exchange(t, r.text)
		want, wantAnswer := theirs.exchange(t, r.text)
		if !reflect.DeepEqual(got, want) || status(answer) != status(wantAnswer) {
			t.Errorf("%s:\n%+v %q\nby net/http:\n%+v %q", name, got, answer, want, wantAnswer)
		}
		if past := ours.past > 0; past != r.past {
			t.Errorf("%s: past net/http is %v", name, past)
		}
	}
	if log := ours.log.String(); log != "" {
		t.Errorf("the log has %s", log)
	}
}

func TestRequestsInPiecesAreAnsweredAsByNetHTTP(t *testing.T) {
	ours, theirs := serve(t, true, time.Minute), serve(t, false, time.Minute)
	for _, at := range []int{1, 3, 4, 5, 8, 9, 12, 40, len(join) - 3, len(join) - 1} {
		got, answer := ours.exchange(t, join[:at], join[at:])
		want, wantAnswer := theirs.exchange(t, join[:at], join[at:])
		if !reflect.DeepEqual(got, want) || status(answer) != status(wantAnswer) {
			t.Errorf("in two, at %d:\n%+v %q\nby net/http:\n%+v %q", at, got, answer, want, wantAnswer)
		}
	}
	if ours.past == 0 {
		t.Error("none was past net/http")
	}
}

// A connection of net/http's goes on for more than one request.
func TestConnectionsOfOthersAreKept(t *testing.T) {
	s := serve(t, true, time.Minute)
	var client http.Client
	defer client.CloseIdleConnections()
	var dialled atomic.Int32
	client.Transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	for range 3 {
		resp, err := client.Post("http://"+s.addr+"/rtc/v1/more", "text/plain", strings.NewReader(strings.Repeat("a", 1<<20)))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "hello" {
			t.Errorf("%q %v", b, err)
		}
		_ = resp.Body.Close()
	}
	if len(s.all) != 3 || len(s.all[0].Body) != 1<<20 || dialled.Load() != 1 {
		t.Errorf("%d requests in %d connections", len(s.all), dialled.Load())
	}
}

func TestBothSidesTalkAfterTheAnswer(t *testing.T) {
	s := serve(t, true, 2*time.Second)
	conn := s.dial(t)
	_, _ = io.WriteString(conn, join)
	r := bufio.NewReader(conn)
	for want := "HTTP/1.1 101 Switching Protocols\r\n"; want != ""; {
		line, err := r.ReadString('\n')
		if err != nil || line != want {
			t.Fatalf("%q %v", line, err)
		}
		if want = "\r\n"; line == want {
			want = ""
		}
	}
	time.Sleep(2200 * time.Millisecond) // no deadline of the request's is left
	text := strings.Repeat("a", 3*writeBuffer) + "\n"
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadString('\n'); err != nil || line != text {
		t.Errorf("%d bytes came back: %v", len(line), err)
	}
}

func TestARefusalIsWhole(t *testing.T) {
	s := serve(t, true, time.Minute)
	conn := s.dial(t)
	_, _ = io.WriteString(conn, requests["refused"].text)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 401 || string(body) != "not you\n" || resp.ContentLength != int64(len(body)) ||
		resp.Header.Get("X-Reason") != "of the test" || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" || !resp.Close {
		t.Errorf("%+v %q %v", resp, body, err)
	}
	if _, err := http.ParseTime(resp.Header.Get("Date")); err != nil {
		t.Error(err)
	}
}

func TestAPanicEndsItsConnection(t *testing.T) {
	s := serve(t, true, time.Minute)
	for _, how := range []string{"panic", "abort"} {
		if _, answer := s.exchange(t, strings.Replace(join, "/rtc?", "/rtc?"+how+"&", 1)); answer != "" {
			t.Errorf("%s is answered %q", how, answer)
		}
	}
	if _, answer := s.exchange(t, join); status(answer) != "HTTP/1.1 101 Switching Protocols" {
		t.Errorf("afterwards: %q", answer)
	}
	if log := s.log.String(); strings.Count(log, "BUG") != 1 || !strings.Contains(log, "of the test") {
		t.Errorf("the log has %s", log)
	}
}

// Who sends nothing, or half of a request, loses the connection.
func TestHalfARequestIsWaitedForInVain(t *testing.T) {
	s := serve(t, true, 50*time.Millisecond)
	for _, text := range []string{"", "G", join[:30]} {
		conn := s.dial(t)
		_, _ = io.WriteString(conn, text)
		if b, err := io.ReadAll(conn); len(b) > 0 || err != nil {
			t.Errorf("after %q: %q %v", text, b, err)
		}
	}
}

// Close ends connections without a request, and waits for none that has one.
func TestCloseEndsWhatHasNoRequest(t *testing.T) {
	s := serve(t, true, time.Hour)
	silent, half, joined := s.dial(t), s.dial(t), s.dial(t)
	_, _ = io.WriteString(half, join[:30])
	_, _ = io.WriteString(joined, join)
	r := bufio.NewReader(joined)
	if _, err := http.ReadResponse(r, nil); err != nil { // so the others have been accepted
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	for _, conn := range []net.Conn{silent, half} {
		if b, err := io.ReadAll(conn); len(b) > 0 {
			t.Errorf("%q %v", b, err)
		}
	}
	if _, err := io.WriteString(joined, "still here\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadString('\n'); line != "still here\n" {
		t.Errorf("%q %v", line, err)
	}
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		_ = conn.Close()
		t.Error("the port is open")
	}
}

// short fails to accept, as when there are no descriptors left.
type short struct {
	net.Listener
	mu    sync.Mutex
	fails int
}

type temporary struct{ error }

func (temporary) Temporary() bool { return true }
func (temporary) Timeout() bool   { return false }

func (s *short) Accept() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails > 0 {
		s.fails--
		return nil, temporary{errors.New("no descriptors")}
	}
	return s.Listener.Accept()
}

func TestTheServerHearsOfFailuresToAccept(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := new(handler)
	server := &http.Server{Handler: h}
	l := Wrap(&short{Listener: inner, fails: 2}, server, slog.New(slog.DiscardHandler), "/rtc")
	for range 2 {
		if _, err := l.Accept(); !errors.As(err, new(temporary)) {
			t.Errorf("Accept = %v", err)
		}
	}
	conn, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "hello")
	got, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	b := make([]byte, 3)
	for _, want := range []string{"hel", "lo"} {
		if n, err := got.Read(b); string(b[:n]) != want || err != nil {
			t.Errorf("Read = %q, %v", b[:n], err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close = %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v", err)
	}
}

// FuzzRequest: what comes first is answered as by net/http.
func FuzzRequest(f *testing.F) {
	for _, r := range requests {
		f.Add(r.text)
	}
	ours, theirs := serve(f, true, time.Minute), serve(f, false, time.Minute)
	f.Fuzz(func(t *testing.T, text string) {
		got, answer := ours.exchange(t, text)
		want, wantAnswer := theirs.exchange(t, text)
		if !reflect.DeepEqual(got, want) || status(answer) != status(wantAnswer) {
			t.Errorf("%q:\n%+v %q\nby net/http:\n%+v %q", text, got, answer, want, wantAnswer)
		}
	})
}

func BenchmarkJoin(b *testing.B) {
	for _, wrapped := range []bool{false, true} {
		b.Run(fmt.Sprintf("past=%v", wrapped), func(b *testing.B) {
			s := serve(b, wrapped, time.Minute)
			b.ReportAllocs()
			for b.Loop() {
				s.exchange(b, join)
			}
		})
	}
}
