package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

const (
	// maxResponse is how much of a response body is read; its connection is
	// closed when there is more.
	maxResponse = 64 << 10
	// drainTime is how long a body may take after a status that decided the
	// attempt: reading it only saves a connection.
	drainTime = 100 * time.Millisecond
)

// result is what became of one attempt.
type result struct {
	lane  *lane
	probe bool
	// status is the HTTP status, 0 when none came.
	status int
	err    error
	// retryAfter is what the receiver asked for, bounded.
	retryAfter time.Duration
	// stale says that a kept-alive connection turned out to be dead before
	// anything came back on it.
	stale bool
	// cancelled says that the engine gave the attempt up.
	cancelled bool
}

// delivered says that the receiver accepted the event: 2xx and nothing else.
func (r *result) delivered() bool { return r.status >= 200 && r.status <= 299 }

// reason describes a failure for logs and statistics.
func (r *result) reason() string {
	switch {
	case r.status == 0 && r.err != nil:
		return r.err.Error()
	case r.status >= 300 && r.status <= 399:
		return fmt.Sprintf("%d %s: redirects are not followed", r.status, http.StatusText(r.status))
	default:
		return fmt.Sprintf("%d %s", r.status, http.StatusText(r.status))
	}
}

// sender makes the attempts at one endpoint.
type sender struct {
	url       *url.URL
	transport *http.Transport
	signer    *signer
	feed      *feed
	timeout   time.Duration
	maxRetry  time.Duration
}

// newTransport returns a connection pool for one endpoint. It speaks HTTP/1.1:
// a hanging request then costs its own connection only, and every lane in
// flight keeps one open.
func newTransport(o *Options) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dial := o.Transport.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        o.Transport.TLS.Clone(),
		Proxy:                  o.Transport.Proxy,
		Protocols:              protocols,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxIdleConns:           o.Concurrency,
		MaxIdleConnsPerHost:    o.Concurrency,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxResponse,
		DisableCompression:     true,
	}
}

// job is one attempt to make; it is a copy, so that the lane stays the loop's.
type job struct {
	lane    *lane
	seq     uint64
	prev    uint64
	rec     *event.Record // nil: read it first
	attempt int
	probe   bool
}

// send makes one attempt. It goes through the transport itself: no redirects,
// no cookies, and no errors that quote the URL.
func (s *sender) send(ctx context.Context, j job) result {
	r := result{lane: j.lane, probe: j.probe}
	rec := j.rec
	if rec == nil {
		var err error
		if rec, err = s.feed.record(ctx, j.seq); err != nil {
			r.cancelled = ctx.Err() != nil
			r.err = fmt.Errorf("%w %d: %w", errRead, j.seq, err)
			return r
		}
	}
	engine := ctx
	ctx, cancel := context.WithTimeout(engine, s.timeout)
	defer cancel()

	req := s.request(rec, j)
	var reused, answered bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(i httptrace.GotConnInfo) { reused = i.Reused },
		GotFirstResponseByte: func() { answered = true },
	})
	resp, err := s.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		r.err = err
		r.cancelled = engine.Err() != nil
		if timedOut := ctx.Err() != nil; timedOut && !r.cancelled {
			r.err = fmt.Errorf("no answer within %s", s.timeout)
		} else {
			r.stale = reused && !answered && !timedOut
		}
		return r
	}
	r.status = resp.StatusCode
	if r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable {
		r.retryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now(), s.maxRetry)
	}
	drain(resp, cancel)
	return r
}

func (s *sender) request(rec *event.Record, j job) *http.Request {
	body := rec.Body
	return &http.Request{
		Method:        http.MethodPost,
		URL:           s.url,
		Host:          s.url.Host,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        s.signer.headers(rec, j.prev, j.attempt, time.Now()),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
		ContentLength: int64(len(body)),
	}
}

// drain reads the body so that the connection can be used again, as far as
// that is cheap. The status has decided already; what the body says, or
// whether it ever ends, changes nothing.
func drain(resp *http.Response, cancel context.CancelFunc) {
	defer resp.Body.Close()
	if resp.ContentLength == 0 || resp.ContentLength > maxResponse {
		return
	}
	t := time.AfterFunc(drainTime, cancel)
	defer t.Stop()
	io.CopyN(io.Discard, resp.Body, maxResponse+1)
}
