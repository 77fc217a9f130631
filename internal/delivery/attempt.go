package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/histogram"
)

const (
	// maxResponse is how much of a response body is read, and kept with a failed
	// attempt; its connection is closed when there is more.
	maxResponse = 64 << 10
	// drainTime is how long a body may take after a status that decided the
	// attempt: reading it only saves a connection.
	drainTime = 100 * time.Millisecond
)

// result is what became of one attempt.
type result struct {
	job
	began   time.Time
	latency time.Duration
	// status is the HTTP status, 0 when none came.
	status int
	err    error
	// retryAfter is what the receiver asked for, bounded.
	retryAfter time.Duration
	// allowed is the rate that the receiver asked for, if it allows says so.
	allowed float64
	allows  bool
	// response is the beginning of the body of a failure.
	response string
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
	full      bool // track events with the whole room and participant
	array     bool // bodies are arrays
	timeout   time.Duration
	maxRetry  time.Duration
	times     *histogram.Histogram
	id        string // of the endpoint
	trace     func(context.Context, string, int, *event.Record, http.Header) func(int, error)
}

// newSender returns the sender of a valid endpoint. It fails on files that
// cannot be used.
func newSender(e *Endpoint, f *feed, o *Options) (*sender, error) {
	u, err := url.Parse(e.URL)
	if err != nil {
		panic("BUG: an endpoint with a bad URL was let in")
	}
	t, err := newTransport(e, o)
	if err != nil {
		return nil, err
	}
	return &sender{
		times: o.times, id: e.ID, trace: o.Trace,
		url: u, transport: t, signer: newSigner(e), feed: f, full: e.FullTrackContext, array: e.Batch.Max > 1,
		timeout: o.Timeout, maxRetry: o.Retry.MaxRetryAfter,
	}, nil
}

// job is one attempt to make; it is a copy, so that the lane stays the loop's.
type job struct {
	lane       *lane
	dead       *deadLetter // in place of lane
	seq        uint64
	rec        *event.Record // nil: read it first
	probe      bool
	trial      bool   // of the event behind the lane's head
	generation uint64 // of the feed when the records were read
	// batch are the events of one request, seq the last of them; nil for one.
	batch []item
	details
}

// forget has the records read again: they were changed.
func (j *job) forget() {
	j.rec = nil
	for i := range j.batch {
		j.batch[i].rec = nil
	}
}

// send makes one attempt. It goes through the transport itself: no redirects,
// no cookies, and no errors that quote the URL.
func (s *sender) send(ctx context.Context, j job) result {
	if now := s.feed.changes(); j.seq != 0 && j.generation != now {
		j.forget()
		j.generation = now
	}
	r := result{job: j, began: time.Now()}
	body, err := s.load(ctx, &r.job)
	if err != nil {
		r.cancelled = ctx.Err() != nil
		r.err = fmt.Errorf("%w %d: %w", errRead, j.seq, err)
		return r
	}
	s.post(ctx, &r, body)
	if r.generation != s.feed.changes() {
		r.response = "" // it may tell of somebody who was forgotten meanwhile
	}
	r.latency = time.Since(r.began)
	s.times.Observe(r.latency)
	return r
}

// load gets hold of what is to be sent.
func (s *sender) load(ctx context.Context, j *job) ([]byte, error) {
	if s.array && j.batch == nil {
		j.batch = []item{{seq: j.seq, rec: j.rec}}
	}
	if j.batch == nil {
		if j.rec == nil {
			var err error
			if j.rec, err = s.feed.record(ctx, j.seq); err != nil {
				return nil, err
			}
		}
		return s.body(j.rec), nil
	}
	return s.loadBatch(ctx, j)
}

// body is what is sent of a record.
func (s *sender) body(rec *event.Record) []byte {
	if s.full && len(rec.FullBody) > 0 {
		return rec.FullBody
	}
	return rec.Body
}

// post makes the request and fills in how it went.
func (s *sender) post(ctx context.Context, r *result, body []byte) {
	engine := ctx
	ctx, cancel := context.WithTimeout(engine, s.timeout)
	defer cancel()

	req := s.request(r.rec, body, &r.details, r.began)
	if s.trace != nil && r.rec != nil && r.batch == nil {
		done := s.trace(ctx, s.id, r.details.attempt, r.rec, req.Header)
		defer func() { done(r.status, r.err) }()
	}
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
		return
	}
	r.status = resp.StatusCode
	if r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable {
		r.retryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now(), s.maxRetry)
	}
	r.allowed, r.allows = allowedRate(resp.Header.Get("WebHook-Allowed-Rate"))
	r.response = drain(resp, cancel, !r.delivered())
}

func (s *sender) request(rec *event.Record, body []byte, x *details, now time.Time) *http.Request {
	return &http.Request{
		Method:        http.MethodPost,
		URL:           s.url,
		Host:          s.url.Host,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        s.signer.headers(rec, body, x, now),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
		ContentLength: int64(len(body)),
	}
}

// drain reads the body so that the connection can be used again, as far as
// that is cheap, and returns the beginning of it if it is to be kept. The status
// has decided already; what the body says, or whether it ever ends, changes
// nothing.
func drain(resp *http.Response, cancel context.CancelFunc, keep bool) string {
	defer resp.Body.Close()
	if resp.ContentLength == 0 {
		return ""
	}
	t := time.AfterFunc(drainTime, cancel)
	defer t.Stop()
	var kept bytes.Buffer
	left := int64(maxResponse) + 1
	if keep {
		n, err := io.CopyN(&kept, resp.Body, maxResponse)
		if left -= n; err != nil {
			left = 0
		}
	}
	if left > 0 && resp.ContentLength <= maxResponse {
		io.CopyN(io.Discard, resp.Body, left)
	}
	return printable(kept.Bytes())
}

// printable makes text of what a receiver answered, for people to read.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return -1
	}, string(b))
}
