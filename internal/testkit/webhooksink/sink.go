package webhooksink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/webhook"
)

// maxBody is more than any webhook has.
const maxBody = 16 << 20

// Delivery is one request as it arrived.
type Delivery struct {
	// N counts arrivals from 1.
	N  int       `json:"n"`
	At time.Time `json:"at"`
	// Remote is the sender's address, one per connection.
	Remote string `json:"remote"`
	// Host and Path are where it was sent.
	Host   string      `json:"host"`
	Path   string      `json:"path"`
	Method string      `json:"method"`
	Header http.Header `json:"header"`
	// Body is exactly what arrived.
	Body []byte `json:"body"`
	// Event is the verified event, nil if Invalid.
	Event *livekit.WebhookEvent `json:"-"`
	// Invalid says why it did not verify, "" if it did.
	Invalid string `json:"invalid,omitempty"`
	// Fault is what the script wanted for it.
	Fault Fault `json:"fault"`
	// Status is what was answered; 0 while nothing was, or ever will be.
	Status int `json:"status"`
}

// ID returns the event's id, "" for what did not verify.
func (d *Delivery) ID() string { return d.Event.GetId() }

// Name returns the event's name.
func (d *Delivery) Name() string { return d.Event.GetEvent() }

// Room returns the name of the room that the event is of.
func (d *Delivery) Room() string {
	for _, name := range []string{
		d.Event.GetRoom().GetName(), d.Event.GetEgressInfo().GetRoomName(), d.Event.GetIngressInfo().GetRoomName(),
	} {
		if name != "" {
			return name
		}
	}
	return ""
}

// Accepted says that it was answered with 2xx.
func (d *Delivery) Accepted() bool { return d.Status >= 200 && d.Status <= 299 }

// Sink receives webhooks.
type Sink struct {
	keys   auth.KeyProvider // immutable
	closed chan struct{}

	closeOnce sync.Once

	mu         sync.Mutex
	deliveries []*Delivery           // mu guards
	script     func(*Delivery) Fault // mu guards
	changed    chan struct{}         // mu guards; closed and replaced with each change
	output     *json.Encoder         // mu guards
}

// New returns a sink that accepts everything signed with one of keys (secrets
// by API key), and answers 401 to the rest.
func New(keys map[string]string) *Sink {
	return &Sink{
		keys:    auth.NewFileBasedKeyProviderFromMap(keys),
		closed:  make(chan struct{}),
		changed: make(chan struct{}),
	}
}

// Script sets what decides each request's fate from now on; nil accepts all. It
// is called with the delivery complete but for Fault and Status, one call at a
// time.
func (s *Sink) Script(script func(*Delivery) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// Output writes each delivery as a line of JSON, when it was answered or will
// never be.
func (s *Sink) Output(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.output = json.NewEncoder(w)
}

// Close ends what hangs.
func (s *Sink) Close() { s.closeOnce.Do(func() { close(s.closed) }) }

// ServeHTTP receives one request.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return // the sender broke off: nothing arrived
	}
	d := &Delivery{
		At: time.Now(), Remote: r.RemoteAddr, Host: r.Host, Path: r.URL.Path, Method: r.Method,
		Header: r.Header.Clone(), Body: body,
	}
	verify := &http.Request{Header: d.Header, Body: io.NopCloser(bytes.NewReader(body))}
	if d.Event, err = webhook.ReceiveWebhookEvent(verify, s.keys); err != nil {
		d.Invalid = err.Error()
	}
	fault := s.arrived(d)
	if d.Invalid != "" && fault == (Fault{}) {
		fault.Status = http.StatusUnauthorized
	}
	s.apply(w, r, d, fault)
	s.settled(d)
}

// arrived takes the delivery down and asks the script.
func (s *Sink) arrived(d *Delivery) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.N = len(s.deliveries) + 1
	if s.script != nil {
		d.Fault = s.script(d)
	}
	s.deliveries = append(s.deliveries, d)
	s.notify()
	return d.Fault
}

// answered notes the status just before it is sent, so that nobody who saw the
// answer finds it missing here.
func (s *Sink) answered(d *Delivery, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.Status = status
	s.notify()
}

func (s *Sink) settled(d *Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.output != nil {
		s.output.Encode(d)
	}
}

func (s *Sink) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Deliveries returns what arrived so far, in order.
func (s *Sink) Deliveries() []Delivery {
	all, _ := s.snapshot()
	return all
}

func (s *Sink) snapshot() ([]Delivery, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Delivery, len(s.deliveries))
	for i, d := range s.deliveries {
		all[i] = *d
	}
	return all, s.changed
}

// Len is how many requests arrived so far.
func (s *Sink) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.deliveries)
}

// Accepted returns the deliveries answered with 2xx, each event once, in the
// order of arrival.
func (s *Sink) Accepted() []Delivery { return Accepted(s.Deliveries()) }

// Accepted returns those of all that were answered with 2xx, each event once.
func Accepted(all []Delivery) []Delivery {
	seen := make(map[string]bool)
	var accepted []Delivery
	for _, d := range all {
		if d.Accepted() && !seen[d.ID()] {
			seen[d.ID()] = true
			accepted = append(accepted, d)
		}
	}
	return accepted
}

// Wait waits until n events were accepted and returns all deliveries.
func (s *Sink) Wait(ctx context.Context, n int) ([]Delivery, error) {
	return s.WaitFor(ctx, func(all []Delivery) bool { return len(Accepted(all)) >= n })
}

// WaitFor waits until done says so of all deliveries, and returns them.
func (s *Sink) WaitFor(ctx context.Context, done func([]Delivery) bool) ([]Delivery, error) {
	for {
		all, changed := s.snapshot()
		if done(all) {
			return all, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return all, context.Cause(ctx)
		case <-s.closed:
			return all, errors.New("webhook sink closed")
		}
	}
}

// Reset forgets what arrived.
func (s *Sink) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries = nil
	s.notify()
}
