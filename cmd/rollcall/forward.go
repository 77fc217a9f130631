package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// forwarder sends events from this machine as the server would: signed afresh
// for each attempt, no redirect followed, only 2xx is success.
type forwarder struct {
	endpoint delivery.Endpoint
	http     *http.Client
	env      environment
	style    style
	json     bool
	// attempts is how often an event is tried; 0 means until it is accepted.
	attempts int
	gap      time.Duration // between requests; 0 for none
	next     time.Time     // the next request
}

// attemptTimeout is as the server's.
const attemptTimeout = 10 * time.Second

func newForwarder(c *client, to string, env environment, asJSON bool) *forwarder {
	return &forwarder{
		endpoint: delivery.Endpoint{URL: to, APIKey: c.key, Secret: c.secret},
		http: &http.Client{
			Timeout:       attemptTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		env: env, style: styleFor(env.stdout, env.environ), json: asJSON,
	}
}

// pace bounds how many requests are made in a second.
func (f *forwarder) pace(rate float64) {
	if rate > 0 {
		f.gap = time.Duration(float64(time.Second) / rate)
	}
}

// outcome is one attempt, as --json prints it.
type outcome struct {
	Seq       uint64     `json:"seq"`
	ID        string     `json:"id"`
	Name      event.Name `json:"name"`
	Room      string     `json:"room,omitempty"`
	Attempt   int        `json:"attempt"`
	Delivered bool       `json:"delivered"`
	Status    int        `json:"status,omitempty"`
	Error     string     `json:"error,omitempty"`
	Response  string     `json:"response,omitempty"`
	LatencyMS float64    `json:"latencyMs"`
}

// deliver sends r until it is accepted, and shows each attempt.
func (f *forwarder) deliver(ctx context.Context, r *record) error {
	var gaps backoff
	for n := 1; ; n++ {
		if wait := time.Until(f.next); wait > 0 && !sleep(ctx, wait) {
			return ctx.Err()
		}
		f.next = time.Now().Add(f.gap)
		o := f.attempt(ctx, r.event(), n)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		gap := time.Duration(0)
		if !o.Delivered && n != f.attempts {
			gap = gaps.next()
		}
		f.show(&o, gap)
		switch {
		case o.Delivered:
			return nil
		case n == f.attempts:
			return errors.New(o.why())
		}
		if !sleep(ctx, gap) {
			return ctx.Err()
		}
	}
}

func (f *forwarder) attempt(ctx context.Context, rec *event.Record, n int) outcome {
	o := outcome{Seq: rec.Seq, ID: rec.ID, Name: rec.Name, Room: rec.Room, Attempt: n}
	began := time.Now()
	headers, err := delivery.Headers(f.endpoint, rec, n, began)
	if err != nil {
		o.Error = err.Error()
		return o
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.endpoint.URL, bytes.NewReader(rec.Body))
	if err != nil {
		o.Error = err.Error()
		return o
	}
	req.Header = headers
	resp, err := f.http.Do(req)
	o.LatencyMS = float64(time.Since(began).Microseconds()) / 1000
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		o.Error = err.Error()
		return o
	}
	defer resp.Body.Close()
	o.Status = resp.StatusCode
	o.Delivered = resp.StatusCode/100 == 2
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if !o.Delivered {
		o.Response = string(bytes.TrimSpace(text[:min(len(text), 300)]))
	}
	return o
}

// why is the failure in a few words.
func (o *outcome) why() string {
	if o.Error != "" {
		return o.Error
	}
	text := fmt.Sprintf("%d %s", o.Status, http.StatusText(o.Status))
	if o.Response != "" {
		text += ": " + o.Response
	}
	if o.Status/100 == 3 {
		text += " (redirects are not followed)"
	}
	return text
}

// show prints the attempt; gap is the wait before the next one, 0 if there is
// none.
func (f *forwarder) show(o *outcome, gap time.Duration) {
	if f.json {
		line, err := json.Marshal(o)
		if err != nil {
			panic("BUG: encode an outcome: " + err.Error())
		}
		fmt.Fprintf(f.env.stdout, "%s\n", line)
		return
	}
	s := f.style
	head := fmt.Sprintf("%s  %s  %s", s.faint(fmt.Sprintf("%7d", o.Seq)), pad(o.Room, 16), s.bold(pad(string(o.Name), 30)))
	if o.Delivered {
		fmt.Fprintf(f.env.stdout, "%s  %s  %s\n", head, s.good(fmt.Sprint(o.Status)), s.faint(millis(o.LatencyMS)))
		return
	}
	fmt.Fprintf(f.env.stdout, "%s  %s  %s", head, s.bad(o.why()), s.faint(millis(o.LatencyMS)))
	if gap > 0 {
		fmt.Fprintf(f.env.stdout, "  attempt %d, again in %s", o.Attempt, gap)
	}
	fmt.Fprintln(f.env.stdout)
}
