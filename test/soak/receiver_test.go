package soak

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// receiver is an endpoint that knows when a dead sender's last request is behind
// it.
type receiver struct {
	sink *webhooksink.Sink
	srv  *http.Server
	url  string

	// gate is held shared by each request, and taken to cut the power.
	gate   *sync.RWMutex
	isDead bool // gate guards: requests come from a machine without power

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	gone  *sync.Cond // a connection has ended
}

func newReceiver(t *testing.T, gate *sync.RWMutex, faulty bool) *receiver {
	t.Helper()
	r := &receiver{sink: webhooksink.New(map[string]string{apiKey: apiSecret}), gate: gate, conns: map[net.Conn]struct{}{}}
	r.gone = sync.NewCond(&r.mu)
	if faulty {
		r.sink.Script(func(d *webhooksink.Delivery) webhooksink.Fault {
			switch d.N % 31 {
			case 7, 19:
				return webhooksink.Fault{Status: http.StatusInternalServerError}
			case 11:
				return webhooksink.Fault{Reset: true}
			case 23:
				return webhooksink.Fault{ResetAfter: true}
			case 29:
				return webhooksink.Fault{Close: true}
			}
			return webhooksink.Fault{}
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url = fmt.Sprintf("http://%s/hook", l.Addr())
	r.srv = &http.Server{Handler: http.HandlerFunc(r.serve), ConnState: r.follow}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = r.srv.Serve(l)
	}()
	t.Cleanup(func() {
		r.sink.Close()
		r.srv.Close()
		<-served
	})
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodGet {
		return // see quiet
	}
	r.gate.RLock()
	defer r.gate.RUnlock()
	if r.isDead {
		panic(http.ErrAbortHandler)
	}
	r.sink.ServeHTTP(w, req)
}

func (r *receiver) follow(conn net.Conn, state http.ConnState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch state {
	case http.StateNew:
		r.conns[conn] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(r.conns, conn)
		r.gone.Broadcast()
	}
}

// quiet waits until everything that a dead sender has sent is behind the
// receiver, and returns what that was since the last time. Connections that were
// not accepted yet come before one of its own, with which it waits for them.
func (r *receiver) quiet(ctx context.Context) ([]webhooksink.Delivery, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gone.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	for len(r.conns) > 0 && ctx.Err() == nil {
		r.gone.Wait()
	}
	left := len(r.conns)
	r.mu.Unlock()
	if left > 0 {
		return nil, fmt.Errorf("%d connections of a dead sender: %w", left, ctx.Err())
	}
	got := r.sink.Deliveries()
	r.sink.Reset()
	return got, nil
}

// patience is for what has to happen, however busy the machine.
const patience = 2 * time.Minute
