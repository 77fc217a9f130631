package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/webhook"
)

// ledger is what one endpoint has received, checked: which events, in which
// order, how late.
type ledger struct {
	mu         sync.Mutex
	seen       []uint64 // mu guards; a bit for each sequence number
	distinct   int      // mu guards
	duplicates int      // mu guards
	disorder   int      // mu guards: events whose predecessor in the lane had not come
	newest     uint64   // mu guards
	latencies  []time.Duration
	first      time.Time // mu guards
	last       time.Time // mu guards: of the last new event
}

func (l *ledger) has(seq uint64) bool {
	return seq/64 < uint64(len(l.seen)) && l.seen[seq/64]&(1<<(seq%64)) != 0
}

// take notes an event. prev is the one before it in its lane, 0 if there is none;
// late is how long ago it happened.
func (l *ledger) take(seq, prev uint64, now time.Time, late time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first.IsZero() {
		l.first = now
	}
	if l.has(seq) {
		l.duplicates++
		return
	}
	if prev != 0 && !l.has(prev) {
		l.disorder++
	}
	for seq/64 >= uint64(len(l.seen)) {
		l.seen = append(l.seen, make([]uint64, max(1024, len(l.seen)))...)
	}
	l.seen[seq/64] |= 1 << (seq % 64)
	l.distinct++
	l.newest = max(l.newest, seq)
	l.last = now
	l.latencies = append(l.latencies, late)
}

// since returns the latencies of the events that came after the first n.
func (l *ledger) since(n int) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]time.Duration(nil), l.latencies[n:]...)
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.distinct
}

// audit remarks on what is wrong with it.
func (l *ledger) audit(o *outcome, want int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if missing := want - l.distinct; missing != 0 {
		o.remark("LOST %d of %d webhooks", missing, want)
	}
	if l.disorder > 0 {
		o.remark("DISORDER: %d webhooks", l.disorder)
	}
}

// receivers is a webhook server with a ledger for each of its paths, /0, /1 ...
type receivers struct {
	// immutable
	ledgers  []*ledger
	listener net.Listener
	server   *http.Server
	served   chan struct{}

	mu   sync.Mutex
	hang chan struct{} // mu guards: requests to /0 wait for it to be closed
	odd  error         // mu guards: the first request that is none of ours
}

// verifyEvery is how many webhooks share one check of the signature, so that the
// receiver costs little beside the server.
const verifyEvery = 64

func listen(paths int) (*receivers, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receivers{listener: l, served: make(chan struct{})}
	for range paths {
		r.ledgers = append(r.ledgers, new(ledger))
	}
	r.server = &http.Server{Handler: r}
	go func() { defer close(r.served); _ = r.server.Serve(l) }()
	return r, nil
}

func (r *receivers) close() {
	_ = r.server.Close()
	<-r.served
}

// env tells the server of all the paths.
func (r *receivers) env() string {
	urls := ""
	for i := range r.ledgers {
		if i > 0 {
			urls += ","
		}
		urls += fmt.Sprintf("http://%s/%d", r.listener.Addr(), i)
	}
	return "ROLLCALL_WEBHOOK_URLS=" + urls
}

func (r *receivers) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.odd
}

func (r *receivers) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	now := time.Now()
	if err := r.receive(req, now); err != nil {
		r.mu.Lock()
		if r.odd == nil {
			r.odd = err
		}
		r.mu.Unlock()
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header()["Date"] = nil // the cheapest answer that there is
	w.Header().Set("Content-Length", "0")
}

func (r *receivers) receive(req *http.Request, now time.Time) error {
	path, err := strconv.Atoi(req.URL.Path[1:])
	if err != nil || path < 0 || path >= len(r.ledgers) {
		return fmt.Errorf("request to %s", req.URL.Path)
	}
	seq, err := strconv.ParseUint(req.Header.Get("Rollcall-Seq"), 10, 64)
	if err != nil {
		return fmt.Errorf("webhook without a sequence number: %w", err)
	}
	var prev uint64
	if text := req.Header.Get("Rollcall-Prev-Seq"); text != "" {
		if prev, err = strconv.ParseUint(text, 10, 64); err != nil {
			return fmt.Errorf("webhook with an odd predecessor: %w", err)
		}
	}
	occurred, err := time.Parse(time.RFC3339Nano, req.Header.Get("Rollcall-Occurred-At"))
	if err != nil {
		return fmt.Errorf("webhook without the time of its event: %w", err)
	}
	if seq%verifyEvery == 0 {
		_, err = webhook.Receive(req, webhook.Keys{devKey: devSecret})
	} else {
		_, err = io.Copy(io.Discard, req.Body)
	}
	if err != nil {
		return fmt.Errorf("webhook %d: %w", seq, err)
	}
	if path == 0 {
		r.mu.Lock()
		hang := r.hang
		r.mu.Unlock()
		if hang != nil {
			select {
			case <-hang:
			case <-req.Context().Done():
				return nil // not accepted, and nobody hears of it
			}
		}
	}
	r.ledgers[path].take(seq, prev, now, now.Sub(occurred))
	return nil
}

// await waits until a ledger holds n events. It fails when for as long as
// patience nothing comes.
func (l *ledger) await(ctx context.Context, n int) error {
	had, at := -1, time.Now()
	for {
		have := l.count()
		if have >= n {
			return nil
		}
		if have > had {
			had, at = have, time.Now()
		} else if time.Since(at) > 2*patience {
			return fmt.Errorf("%w: webhooks end at %d of %d", errStuck, have, n)
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// errStuck says that nothing has come for long.
var errStuck = errors.New("nothing comes any more")
