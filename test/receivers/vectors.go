package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
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
	groupRetried  = "refused once, then sent again"
	groupGap      = "after an event that was abandoned, with the notice"
	groupDead     = "abandoned, then sent late"
	groupCloud    = "as CloudEvents"
	groupRotated  = "signed with two secrets"
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
	sent, err := deliver(ctx, events, delivery.Endpoint{Secret: apiSecret}, nil)
	if err != nil {
		return nil, err
	}
	forged, err := deliver(ctx, events[:1], delivery.Endpoint{Secret: apiSecret + "!"}, nil)
	if err != nil {
		return nil, err
	}
	special, err := specials(ctx, events)
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
	vectors = append(vectors, special...)
	return append(vectors, rejects(vectors[0], newVector(forged[0]))...), nil
}

// specials are requests of which there is more to tell than an event. Making
// them takes the engine half a minute: so long it tries before it abandons.
func specials(ctx context.Context, events []event.Event) ([]vector, error) {
	var vectors []vector
	add := func(group string, d *webhooksink.Delivery, header string) error {
		v := newVector(*d)
		v.Group, v.Accept = group, true
		vectors = append(vectors, v)
		if v.Headers[header] == "" {
			return fmt.Errorf("%s: no header %s: %v", group, header, v.Headers)
		}
		return nil
	}

	tried := make(map[string]int) // by sequence number
	passed := false
	bumpy, err := deliver(ctx, events[:3], delivery.Endpoint{Secret: apiSecret}, func(d *webhooksink.Delivery) webhooksink.Fault {
		seq := d.Header.Get("Rollcall-Seq")
		tried[seq]++
		switch {
		case seq == "1" && tried[seq] == 1:
			return webhooksink.Fault{Status: 503}
		case seq == "2" && !passed:
			return webhooksink.Fault{Status: 422}
		case seq == "3":
			passed = true
		}
		return webhooksink.Fault{}
	})
	if err != nil {
		return nil, err
	}
	cloud, err := deliver(ctx, events[:1], delivery.Endpoint{Secret: apiSecret, Format: delivery.CloudEvents}, nil)
	if err != nil {
		return nil, err
	}
	another := "whsec_" + base64.StdEncoding.EncodeToString([]byte("another secret of 32 characters!"))
	rotated, err := deliver(ctx, events[:1], delivery.Endpoint{Secret: apiSecret, Secrets: []delivery.Secret{{Value: another}, {}}}, nil)
	if err != nil {
		return nil, err
	}
	if n := len(strings.Fields(rotated[0].Header.Get("Webhook-Signature"))); n != 2 {
		return nil, fmt.Errorf("%s: %d signatures", groupRotated, n)
	}
	return vectors, errors.Join(
		add(groupRetried, &bumpy[0], "rollcall-attempt"),
		add(groupGap, &bumpy[2], "rollcall-gap"),
		add(groupDead, &bumpy[1], "rollcall-late"),
		add(groupCloud, &cloud[0], "ce-id"),
		add(groupRotated, &rotated[0], "webhook-signature"),
	)
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
// this machine, to an endpoint like ep, and returns the requests that script
// accepts, in the order of the events.
func deliver(ctx context.Context, events []event.Event, ep delivery.Endpoint, script func(*webhooksink.Delivery) webhooksink.Fault) (requests []webhooksink.Delivery, err error) {
	sink := webhooksink.New(map[string]string{apiKey: ep.Secret})
	sink.Script(script)
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
	ep.ID, ep.URL, ep.APIKey = "receiver", srv.URL+"/webhook", apiKey
	ep.Filter = delivery.Filter{Events: []string{"*"}}
	engine, err := delivery.Start(delivery.Options{Log: log, Cursors: log, Endpoints: []delivery.Endpoint{ep}})
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
			if d.Accepted() && d.Header.Get("Rollcall-Seq") == fmt.Sprint(i+1) {
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
