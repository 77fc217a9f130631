package outbox

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// counted counts the calls that write to its connections.
type counted struct {
	net.Listener
	writes *atomic.Int32
}

func (l counted) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return countedConn{conn, l.writes}, err
}

type countedConn struct {
	net.Conn
	writes *atomic.Int32
}

func (c countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// serve returns the client's end of a connection that o writes to, and how many
// calls have written to the other one.
func serve(t *testing.T, o *Outbox) (*websocket.Conn, *atomic.Int32) {
	t.Helper()
	writes := new(atomic.Int32)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Rollcall", "here")
		conn, err := o.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		o.Begin(conn, NewWatch(time.Minute))
		o.Write()
		_ = conn.CloseNow()
	}))
	srv.Listener = counted{srv.Listener, writes}
	srv.Start()
	t.Cleanup(srv.Close)
	conn, resp, err := websocket.Dial(t.Context(), srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Abandon)
	t.Cleanup(func() { _ = conn.CloseNow() })
	if got := resp.Header.Get("Rollcall"); got != "here" {
		t.Errorf("the answer's header says %q", got)
	}
	return conn, writes
}

func wantRead(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	if _, data, err := conn.Read(t.Context()); err != nil || string(data) != text {
		t.Errorf("read %d bytes %.20q, %v; want %.20q", len(data), data, err, text)
	}
}

func TestWhatIsQueuedGoesOutWithTheAnswerInOneCall(t *testing.T) {
	o := New(10, quiet())
	for _, w := range []word{"one", "two", "three"} {
		o.Send(w)
	}
	conn, writes := serve(t, o)
	for _, text := range []string{"binary one", "binary two", "binary three"} {
		wantRead(t, conn, text)
	}
	if n := writes.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
	o.Send(word("four"))
	wantRead(t, conn, "binary four")
}

func TestMessageThatCannotBeEncodedHoldsNothingBack(t *testing.T) {
	for name, queued := range map[string][]word{"alone": {""}, "the last": {"one", ""}} {
		t.Run(name, func(t *testing.T) {
			o := New(10, quiet())
			o.Answer(websocket.MessageText)
			for _, w := range queued {
				o.Send(w)
			}
			conn, _ := serve(t, o) // has its answer
			if len(queued) > 1 {
				wantRead(t, conn, "JSON one")
			}
			o.Send(word("two"))
			wantRead(t, conn, "JSON two")
		})
	}
}

func TestConnectionThatIsNotTakenOverIsAnsweredByHTTP(t *testing.T) {
	o := New(10, quiet())
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if _, err := o.Accept(rec, r, nil); err == nil || rec.Code != http.StatusUpgradeRequired {
		t.Errorf("a plain request is answered %d, %v", rec.Code, err)
	}
}
