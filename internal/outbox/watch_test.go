package outbox

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// once is a listener of one connection.
type once chan net.Conn

func (l once) Accept() (net.Conn, error) {
	if conn, ok := <-l; ok {
		return conn, nil
	}
	return nil, errors.New("no more")
}
func (once) Addr() net.Addr { return &net.TCPAddr{} }
func (once) Close() error   { return nil }

// pipe is connect in a bubble: nothing is buffered on the way. Call stop at the end.
func pipe(t *testing.T, o *Outbox, w *Watch, how *websocket.DialOptions) (conn *websocket.Conn, written <-chan bool, stop func()) {
	t.Helper()
	l, done := make(once, 1), make(chan bool, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		conn, err := o.Accept(rw, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		conn.CloseRead(o.Context()) // for pongs
		o.Begin(conn, w)
		done <- o.Write()
		_ = conn.CloseNow()
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	how.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		l <- there
		return here, nil
	}}}
	conn, _, err := websocket.Dial(context.Background(), "http://rollcall/", how)
	if err != nil {
		t.Fatal(err)
	}
	return conn, done, func() {
		o.Abandon()
		_ = conn.CloseNow()
		close(l)
		<-served
	}
}

func TestWriteThatNobodyTakesIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, w := New(10, quiet()), NewWatch(time.Second)
		_, written, stop := pipe(t, o, w, &websocket.DialOptions{})
		defer stop()
		o.Send(word("one"))
		time.Sleep(writeTimeout)
		synctest.Wait()
		select {
		case <-written:
			t.Error("cut off too early")
		default:
		}
		time.Sleep(w.step())
		if <-written {
			t.Error("Write says that all is well")
		}
		if o.Context().Err() != nil {
			t.Error("what the client has said last cannot be read any more")
		}
	})
}

func TestOnlySilentConnectionsAreProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, w := New(10, quiet()), NewWatch(8*time.Second)
		var probes atomic.Int32
		conn, _, stop := pipe(t, o, w, &websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool {
			probes.Add(1)
			return true
		}})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				if _, _, err := conn.Read(context.Background()); err != nil {
					return
				}
			}
		}()
		for range 5 {
			time.Sleep(6 * time.Second)
			o.Send(word("busy"))
		}
		synctest.Wait()
		if n := probes.Load(); n != 0 {
			t.Errorf("%d probes of a busy connection", n)
		}
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if n := probes.Load(); n != 1 {
			t.Errorf("%d probes in a silent interval", n)
		}
		stop()
		<-ended
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.timer != nil || len(w.all) != 0 {
			t.Error("the timer goes on when everybody has left")
		}
	})
}

func TestWhatIsHeldBackLeavesAtTheNextLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, w := New(10, quiet()), NewWatch(8*time.Second)
		conn, _, stop := pipe(t, o, w, &websocket.DialOptions{})
		heard := make(chan string, 10)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				_, data, err := conn.Read(context.Background())
				if err != nil {
					return
				}
				heard <- string(data)
			}
		}()
		synctest.Wait()
		o.Hold(word("one"))
		synctest.Wait()
		if n := len(heard); n != 0 {
			t.Errorf("%d were not held back", n)
		}
		time.Sleep(w.step())
		synctest.Wait()
		if n := len(heard); n != 1 {
			t.Errorf("%d left", n)
		}
		stop()
		<-ended
	})
}

// A reader whose reply nobody takes is held up for as long as any write may take.
func TestReplyThatNobodyTakesIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, w := New(10, quiet()), NewWatch(time.Second)
		_, written, stop := pipe(t, o, w, &websocket.DialOptions{})
		defer stop()
		synctest.Wait()
		replied := make(chan struct{})
		go func() {
			defer close(replied)
			o.Reply(word("one"))
		}()
		synctest.Wait()
		o.Reply(word("two")) // does not wait for the other
		select {
		case <-replied:
			t.Error("it was taken")
		default:
		}
		time.Sleep(writeTimeout + w.step())
		if <-written {
			t.Error("Write says that all is well")
		}
		<-replied
	})
}
