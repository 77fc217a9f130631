package ingress

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// noMedia has no connections: nobody here has a client.
type noMedia struct{}

var errNoMedia = errors.New("no connections in this test")

func (noMedia) NewPublisher(peer.PublisherOptions) (room.Publisher, error) { return nil, errNoMedia }
func (noMedia) NewSubscriber(peer.SubscriberOptions) (room.Subscriber, error) {
	return nil, errNoMedia
}
func (noMedia) NewDuplex(peer.DuplexOptions) (room.Duplex, error) { return nil, errNoMedia }

// rig is a service with a log and rooms of its own.
type rig struct {
	*Service
	t     *testing.T
	log   *eventlog.Log
	store *memory.Store
	rooms *room.Registry
	logs  *logBuffer
	opts  Options
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newRig starts one on a store; nil stands for an empty one.
func newRig(t *testing.T, store *memory.Store, change ...func(*Options)) *rig {
	t.Helper()
	if store == nil {
		store = memory.New()
	}
	r := &rig{t: t, store: store, logs: new(logBuffer)}
	var err error
	if r.log, err = eventlog.Open(eventlog.Options{Store: store}); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.rooms = room.NewRegistry(room.Options{
		Publish: r.log.Enqueue, Commit: r.log.Commit, Sync: r.log.Sync, Media: noMedia{},
		ServerInfo: &livekit.ServerInfo{Version: "1.9.0"}, Logger: logger,
	})
	r.opts = Options{Rooms: r.rooms, Log: r.log, Logger: logger, URL: func(input livekit.IngressInput, origin string) string {
		return origin + "/" + input.String()
	}}
	for _, f := range change {
		f(&r.opts)
	}
	if r.Service, err = Start(t.Context(), r.opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(r.Service.Close(ctx), r.rooms.Close(ctx), r.log.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	return r
}

// crash returns what is durable at this moment: the disk of a server that dies now.
func (r *rig) crash() *memory.Store { return r.store.Clone() }

func (r *rig) create(change ...func(*livekit.CreateIngressRequest)) *livekit.IngressInfo {
	r.t.Helper()
	req := &livekit.CreateIngressRequest{
		InputType: livekit.IngressInput_RTMP_INPUT, Name: "studio", RoomName: "show", ParticipantIdentity: "encoder",
		ParticipantName: "Encoder", ParticipantMetadata: "{}",
	}
	for _, f := range change {
		f(req)
	}
	info, err := r.Create(r.t.Context(), "http://here", req)
	if err != nil {
		r.t.Fatal(err)
	}
	return info
}

// admit lets a source in with the endpoint's key.
func (r *rig) admit(info *livekit.IngressInfo) *Session {
	r.t.Helper()
	x, err := r.Admit(Source{Key: info.StreamKey, Input: info.InputType})
	if err != nil {
		r.t.Fatal(err)
	}
	return x
}

// publish brings a session up to its first frame.
func (r *rig) publish(x *Session) *Track {
	r.t.Helper()
	if err := x.Join(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	t, err := x.Publish(r.t.Context(), Format{MimeType: "video/H264", Width: 1280, Height: 720})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := t.WriteSample(Sample{Data: keyframe()}); err != nil {
		r.t.Fatal(err)
	}
	return t
}

// keyframe is an access unit of H.264 with which decoding can begin.
func keyframe() []byte {
	return []byte("\x00\x00\x00\x01\x67\x42\xc0\x1f\x8c\x00\x00\x00\x01\x68\xce\x3c\x80\x00\x00\x00\x01\x65\x88\x84\x00\x10")
}

// state is that of the endpoint, as the API lists it.
func (r *rig) state(id string) *livekit.IngressState {
	r.t.Helper()
	resp, err := r.List(r.t.Context(), &livekit.ListIngressRequest{IngressId: id})
	if err != nil || len(resp.Items) != 1 {
		r.t.Fatalf("list %s: %v %v", id, resp, err)
	}
	return resp.Items[0].State
}

func (r *rig) wantStatus(id string, want livekit.IngressState_Status) {
	r.t.Helper()
	if got := r.state(id); got.Status != want {
		r.t.Errorf("status is %s (%s), want %s", got.Status, got.Error, want)
	}
}

// events are the names of the events of the log, and of ingress events the status.
func (r *rig) events() []string {
	r.t.Helper()
	if err := r.log.Sync(r.t.Context(), r.log.Append()); err != nil {
		r.t.Fatal(err)
	}
	records, err := r.log.Read(r.t.Context(), 0, 10_000)
	if err != nil {
		r.t.Fatal(err)
	}
	return words(r.t, records)
}

func words(t *testing.T, records []event.Record) (names []string) {
	t.Helper()
	for _, rec := range records {
		switch d, _ := event.Lookup(rec.Name); {
		case d.Scope == event.ScopeIngress:
			w, err := rec.Webhook()
			if err != nil {
				t.Fatal(err)
			}
			status := strings.TrimPrefix(w.IngressInfo.State.Status.String(), "ENDPOINT_")
			names = append(names, string(rec.Name)+" "+status)
		case d.Stock:
			names = append(names, string(rec.Name))
		}
	}
	return names
}

// packets is a tap's writer that keeps what it gets.
type packets struct {
	mu      sync.Mutex
	headers []rtp.Header
	bytes   int
}

func (p *packets) WriteRTP(h *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.headers = append(p.headers, h.Clone())
	p.bytes += len(payload)
	return len(payload), nil
}

func sleep(d time.Duration) { time.Sleep(d) } // of the bubble
