package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// What the receivers are given to verify with.
const (
	apiKey    = "devkey"
	apiSecret = "a secret of 32 characters, or more"
)

// lateness is how long the server tries to deliver an event.
const lateness = 72 * time.Hour

// vector is one request.
type vector struct {
	Name string `json:"name"`
	// Group is what the vector shows: the table counts by it.
	Group  string `json:"group"`
	Event  string `json:"event"`
	ID     string `json:"id"`
	Accept bool   `json:"accept"`
	// Headers have names in lower case; Body is base64 in JSON.
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
}

// The groups, in the order of the table.
const (
	groupFresh    = "fresh"
	groupLate     = "late"
	groupTampered = "body changed"
	groupEncoded  = "body encoded again"
	groupSecret   = "signed with another secret"
	groupExpired  = "sent an hour ago"
	groupNone     = "signature missing"
)

// makeVectors appends an event of each kind to a log, once as of now and once as
// of three days ago, and takes down what the delivery engine sends of them.
func makeVectors(ctx context.Context, golden string) ([]vector, error) {
	now := time.Now()
	var events []event.Event
	for _, late := range []bool{false, true} {
		for _, d := range event.Catalogue() {
			e, err := sample(golden, d)
			if err != nil {
				return nil, err
			}
			if e.Time = now; late {
				e.Time = now.Add(-lateness)
			}
			events = append(events, e)
		}
	}
	sent, err := deliver(ctx, events, apiSecret)
	if err != nil {
		return nil, err
	}
	forged, err := deliver(ctx, events[:1], apiSecret+"!")
	if err != nil {
		return nil, err
	}

	var vectors []vector
	for i, d := range sent {
		v := newVector(d)
		if v.Group, v.Accept = groupFresh, true; i >= len(events)/2 {
			v.Group = groupLate
			if !bytes.Contains(v.Body, fmt.Appendf(nil, `"createdAt":"%d"`, events[i].Time.Unix())) {
				return nil, fmt.Errorf("%s is not late: %s", v.Event, v.Body)
			}
		}
		vectors = append(vectors, v)
	}
	return append(vectors, rejects(vectors[0], newVector(forged[0]))...), nil
}

// sample returns the event whose body is the golden file of that name.
func sample(golden string, d event.Definition) (event.Event, error) {
	body, err := os.ReadFile(filepath.Join(golden, string(d.Name)+".json"))
	if err != nil {
		return event.Event{}, err
	}
	w := new(livekit.WebhookEvent)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, w); err != nil {
		return event.Event{}, fmt.Errorf("%s: %w", d.Name, err)
	}
	var own struct {
		Rollcall json.RawMessage `json:"rollcall"`
	}
	if err := json.Unmarshal(body, &own); err != nil {
		return event.Event{}, fmt.Errorf("%s: %w", d.Name, err)
	}
	e := event.Event{
		Name: d.Name, Room: w.Room, Participant: w.Participant, Track: w.Track,
		Egress: w.EgressInfo, Ingress: w.IngressInfo, Job: w.Job, RoomEndReason: w.RoomEndReason,
	}
	if d.Detail != nil {
		e.Detail = own.Rollcall
	}
	return e, nil
}

// deliver lets an engine send the events to a receiver of livekit/protocol on
// this machine and returns the requests.
func deliver(ctx context.Context, events []event.Event, secret string) (requests []webhooksink.Delivery, err error) {
	sink := webhooksink.New(map[string]string{apiKey: secret})
	srv, err := webhooksink.Listen("127.0.0.1:0", sink, nil)
	if err != nil {
		return nil, err
	}
	defer srv.Close()
	log, err := eventlog.Open(eventlog.Options{Store: memory.New()})
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := log.Close(context.WithoutCancel(ctx)); err == nil {
			err = e
		}
	}()
	engine, err := delivery.Start(delivery.Options{Log: log, Cursors: log, Endpoints: []delivery.Endpoint{{
		ID: "receiver", URL: srv.URL + "/webhook", APIKey: apiKey, Secret: secret,
		Filter: delivery.Filter{Events: []string{"*"}},
	}}})
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := engine.Close(context.WithoutCancel(ctx)); err == nil {
			err = e
		}
	}()
	log.Append(events...)

	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if requests, err = sink.Wait(ctx, len(events)); err != nil {
		return nil, fmt.Errorf("%d of %d events were delivered: %w", len(webhooksink.Accepted(requests)), len(events), err)
	}
	// Events of several rooms may overtake each other.
	ordered := make([]webhooksink.Delivery, 0, len(events))
	for i := range events {
		for _, d := range requests {
			if d.Header.Get("Rollcall-Seq") == fmt.Sprint(i+1) {
				ordered = append(ordered, d)
				break
			}
		}
	}
	if len(ordered) != len(events) {
		return nil, fmt.Errorf("%d of %d events were found among the requests", len(ordered), len(events))
	}
	return ordered, nil
}

func newVector(d webhooksink.Delivery) vector {
	v := vector{Event: d.Name(), ID: d.ID(), Headers: make(map[string]string), Body: d.Body}
	for name, values := range d.Header {
		if name = strings.ToLower(name); name != "accept-encoding" && name != "content-length" {
			v.Headers[name] = strings.Join(values, ", ")
		}
	}
	return v
}

// writeVectors writes one line of JSON for each.
func writeVectors(path string, vectors []vector) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for i := range vectors {
		vectors[i].Name = vectors[i].Group + "/" + vectors[i].Event
		if err := enc.Encode(&vectors[i]); err != nil {
			return err
		}
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}
