package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// hooking is rooms made and deleted by the API at a steady rate, two events each,
// and a healthy receiver of the webhooks. Events are durable before they are
// posted and before the API answers.
type hooking struct{ rate int } // events a second

// lifetime is from a room's creation to its deletion: long enough that a room's
// second event does not wait for the POST of its first.
const lifetime = time.Second / 2

// receiver notes when each webhook arrived, by its id.
type receiver struct {
	mu        sync.Mutex
	latencies []time.Duration // mu guards
	ids       map[string]int  // mu guards
	odd       error           // mu guards
}

func (r *receiver) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	now := time.Now()
	_, _ = io.Copy(io.Discard, req.Body)
	occurred, err := time.Parse(time.RFC3339Nano, req.Header.Get("Rollcall-Occurred-At"))
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.odd = fmt.Errorf("webhook without the time of its event: %w", err)
	}
	r.latencies = append(r.latencies, now.Sub(occurred))
	r.ids[req.Header.Get("Webhook-Id")]++
}

func (r *receiver) distinct() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids)
}

func (h hooking) run(ctx context.Context, b *bench) (o outcome, err error) {
	got := &receiver{ids: make(map[string]int)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return o, err
	}
	srv := &http.Server{Handler: got}
	serving := make(chan struct{})
	go func() { defer close(serving); _ = srv.Serve(l) }()
	defer func() { _ = srv.Close(); <-serving }()
	t, err := b.start(ctx, "ROLLCALL_WEBHOOK_URLS=http://"+l.Addr().String()+"/hook")
	if err != nil {
		return o, err
	}
	defer t.stop()
	api, err := newRoomAPI(t.url)
	if err != nil {
		return o, err
	}
	defer api.http.CloseIdleConnections()

	r0, err := t.read()
	if err != nil {
		return o, err
	}
	rooms := max(1, int(b.window.Seconds()*float64(h.rate))/2)
	calls, err := h.churn(ctx, api, "room", rooms)
	if err != nil {
		return o, err
	}
	r1, err := t.read()
	if err != nil {
		return o, err
	}
	events := 2 * rooms
	err = poll(ctx, func() (bool, error) { return got.distinct() >= events, nil })
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return o, err
	}

	got.mu.Lock()
	defer got.mu.Unlock()
	if got.odd != nil {
		return o, got.odd
	}
	slices.Sort(got.latencies)
	slices.Sort(calls)
	wall := r1.at.Sub(r0.at)
	rate := float64(events) / wall.Seconds()
	o.noise = r1.machine.since(r0.machine)
	o.add("event to POST, p50", "ms", milliseconds(quantile(got.latencies, 0.5)))
	o.add("event to POST, p99", "ms", milliseconds(quantile(got.latencies, 0.99)))
	o.add("API call, durable, p50", "ms", milliseconds(quantile(calls, 0.5)))
	o.add("API call, durable, p99", "ms", milliseconds(quantile(calls, 0.99)))
	o.add("CPU per event with its API call", "µs", microseconds(r1.cpu-r0.cpu)/float64(events))
	o.add("events", "1/s", rate)
	if missing := events - len(got.ids); missing > 0 {
		o.remark("LOST %d of %d webhooks", missing, events)
	}
	if again := len(got.latencies) - len(got.ids); again > 0 {
		o.remark("%d duplicates", again)
	}
	o.judgeLoad(r0, r1)
	return o, nil
}

// churn makes and deletes rooms on schedule, whatever the answers take, and
// returns what they took.
func (h hooking) churn(ctx context.Context, api *roomAPI, prefix string, rooms int) ([]time.Duration, error) {
	var mu sync.Mutex
	var took []time.Duration
	call := func(method string, m proto.Message) error {
		began := time.Now()
		err := api.call(ctx, method, m)
		mu.Lock()
		defer mu.Unlock()
		took = append(took, time.Since(began))
		return err
	}
	began := time.Now()
	between := 2 * time.Second / time.Duration(h.rate)
	running, ctx := errgroup.WithContext(ctx)
	for i := range rooms {
		if err := sleep(ctx, time.Until(began.Add(time.Duration(i)*between))); err != nil {
			break
		}
		name := fmt.Sprint(prefix, i)
		running.Go(func() error {
			if err := call("CreateRoom", &livekit.CreateRoomRequest{Name: name}); err != nil {
				return err
			}
			if err := sleep(ctx, lifetime); err != nil {
				return err
			}
			return call("DeleteRoom", &livekit.DeleteRoomRequest{Room: name})
		})
	}
	err := running.Wait()
	return took, err
}

// roomAPI calls the RoomService.
type roomAPI struct {
	url    string
	bearer string
	http   *http.Client
}

func newRoomAPI(url string) (*roomAPI, error) {
	access, err := mint("", &token.VideoGrant{RoomCreate: true})
	if err != nil {
		return nil, err
	}
	return &roomAPI{url, "Bearer " + access, &http.Client{
		Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64},
	}}, nil
}

func (a *roomAPI) call(ctx context.Context, method string, m proto.Message) error {
	body, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/twirp/livekit.RoomService/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/protobuf")
	req.Header.Set("Authorization", a.bearer)
	resp, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", method, resp.Status, answer)
	}
	return err
}
