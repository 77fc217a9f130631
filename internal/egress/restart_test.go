package egress

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/egress/upload"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
)

// mortal is a log whose server dies at a moment: nothing that is said later is in it.
type mortal struct {
	*eventlog.Log
	before event.Name // the event that it dies before
	dead   atomic.Bool
}

var errDead = errors.New("the server is dead")

func (m *mortal) Append(events ...event.Event) uint64 {
	if events[0].Name == m.before {
		m.dead.Store(true)
	}
	if m.dead.Load() {
		return m.Last()
	}
	return m.Log.Append(events...)
}

func (m *mortal) SaveCursors(puts map[string][]byte, deletes []string) {
	if !m.dead.Load() {
		m.Log.SaveCursors(puts, deletes)
	}
}

func (m *mortal) Sync(ctx context.Context, seq uint64) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Log.Sync(ctx, seq)
}

// run is one of a server's runs over a store: its log, its webhooks, its recordings.
type run struct {
	t     *testing.T
	log   *mortal
	hooks *delivery.Engine
	*Service
}

// boot begins a run that dies before an event, "" for one that lives.
func boot(t *testing.T, store *memory.Store, before event.Name, retention eventlog.Retention, change func(*Options)) *run {
	t.Helper()
	log, err := eventlog.Open(eventlog.Options{Store: store, Retention: retention})
	if err != nil {
		t.Fatal(err)
	}
	r := &run{t: t, log: &mortal{Log: log, before: before}}
	r.hooks, err = delivery.Start(delivery.Options{Log: log, Cursors: log, Keys: map[string]string{"devkey": "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Log: r.log, Hooks: r.hooks, Directory: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Patience: 100 * time.Millisecond,
		Dial: new(net.Dialer).DialContext,
		// It takes what it is told, and says nothing.
		Workers: map[wire.Kind]Worker{wire.Browse: {Command: []string{"sh", "-c", "cat >/dev/null"}}},
	}
	if change != nil {
		change(&o)
	}
	if r.Service, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return r
}

// end ends the run; of one that is dead nothing is kept from then on.
func (r *run) end() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := errors.Join(r.Close(ctx), r.hooks.Close(ctx), r.log.Close(ctx)); err != nil {
		r.t.Error(err)
	}
}

// told is what the log has of recordings.
func (r *run) told() (names []event.Name) {
	r.t.Helper()
	records, err := r.log.Read(r.t.Context(), max(1, r.log.First())-1, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range records {
		names = append(names, records[i].Name)
	}
	return names
}

// dyingHooks has the server die when it has made the webhooks of a recording.
type dyingHooks struct {
	*delivery.Engine
	log *mortal
}

func (h dyingHooks) PutEgress(ctx context.Context, id, key string, hooks []*livekit.WebhookConfig) ([]delivery.Endpoint, error) {
	made, err := h.Engine.PutEgress(ctx, id, key, hooks)
	h.log.dead.Store(true)
	return made, err
}

var aPage = &livekit.WebEgressRequest{
	Url: "https://example.com", FileOutputs: []*livekit.EncodedFileOutput{{FileType: livekit.EncodedFileType_MP4}},
	Webhooks: []*livekit.WebhookConfig{{Url: "http://127.0.0.1:9/", SigningKey: "devkey"}},
}

// A server that dies while it begins a recording, whose webhooks are there and of which
// the log has nothing, leaves no webhook that waits for ever.
func TestWebhooksOfARecordingThatNobodyHeardOfGoWithIt(t *testing.T) {
	for name, die := range map[string]func(*run){
		"before the first event is in the log": func(r *run) { r.log.before = event.EgressStarted },
		"as soon as the webhooks are there":    func(r *run) { r.opts.Hooks = dyingHooks{r.hooks, r.log} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			r := boot(t, store, "", eventlog.Retention{}, nil)
			die(r)
			if _, err := r.Start(t.Context(), "devkey", aPage); err != nil {
				t.Fatal(err)
			}
			if n := len(r.hooks.Endpoints()); n != 1 || !r.log.dead.Load() {
				t.Fatalf("%d webhooks, dead is %v", n, r.log.dead.Load())
			}
			r.end()

			r = boot(t, store, "", eventlog.Retention{}, nil)
			if left := r.hooks.Endpoints(); len(left) != 0 {
				t.Errorf("after the restart webhooks are left: %v", left)
			}
			if told := r.told(); len(told) != 0 {
				t.Errorf("told: %v", told)
			}
			r.end()

			r = boot(t, store, "", eventlog.Retention{}, nil)
			defer r.end()
			if kept, err := r.log.LoadCursors(jobPrefix); err != nil || len(kept) != 0 {
				t.Errorf("recordings that are kept: %v %v", kept, err)
			}
		})
	}
}

// A recording that could not begin leaves neither a webhook nor itself.
func TestRecordingThatDoesNotBeginIsNotKept(t *testing.T) {
	r := boot(t, memory.New(), "", eventlog.Retention{}, func(o *Options) {
		o.Workers[wire.Browse] = Worker{Command: []string{"/nonexistent"}}
	})
	defer r.end()
	if _, err := r.Start(t.Context(), "devkey", aPage); err == nil {
		t.Fatal("a program that is not there records")
	}
	if left := r.hooks.Endpoints(); len(left) != 0 {
		t.Errorf("webhooks are left: %v", left)
	}
	if kept, err := r.log.LoadCursors(jobPrefix); err != nil || len(kept) != 0 {
		t.Errorf("recordings that are kept: %v %v", kept, err)
	}
}

// A recording that runs for longer than events are kept has its end told all the same,
// when the server dies: that the log has nothing of it does not say that nobody heard.
func TestRecordingThatIsOlderThanTheLogHasItsEndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, retention := memory.New(), eventlog.Retention{Age: time.Hour}
		r := boot(t, store, "", retention, nil)
		info := &livekit.EgressInfo{EgressId: "EG_long", RoomName: "den", Status: livekit.EgressStatus_EGRESS_ACTIVE}
		j := &job{s: r.Service, id: info.EgressId, info: info}
		j.tell(event.EgressStarted)
		for range 4 {
			time.Sleep(time.Hour)
			r.log.Append(event.Event{Name: event.RoomStarted, Time: time.Now(), Room: &livekit.Room{Sid: "RM_1", Name: "den"}})
		}
		if first := r.log.First(); first <= 1 {
			t.Fatalf("the log begins with %d", first)
		}
		r.log.dead.Store(true)
		r.end()

		r = boot(t, store, "", retention, nil)
		defer r.end()
		list, err := r.List(t.Context(), &livekit.ListEgressRequest{})
		if err != nil || len(list.Items) != 1 || list.Items[0].Status != livekit.EgressStatus_EGRESS_FAILED {
			t.Errorf("%v, %v", list, err)
		}
		if told := r.told(); len(told) == 0 || told[len(told)-1] != event.EgressEnded {
			t.Errorf("told: %v", told)
		}
	})
}

// What was to go to a store, and made nothing before the server died, is in the list
// like all others.
func TestRecordingOfADeadServerThatMadeNothingIsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{cursors: make(map[string][]byte)}
		n.leave(t, "EG_empty", &livekit.EgressInfo{Status: livekit.EgressStatus_EGRESS_ACTIVE}, nil, upload.Parcel{})
		n.put(t, jobKey("EG_empty"), kept{Info: []byte(`{"egressId": "EG_empty", "status": "EGRESS_ACTIVE"}`)})
		s, err := Open(t.Context(), testOptions(t, n))
		if err != nil {
			t.Fatal(err)
		}
		defer closes(t, s)
		list, err := s.List(t.Context(), &livekit.ListEgressRequest{})
		if err != nil || len(list.Items) != 1 || list.Items[0].Status != livekit.EgressStatus_EGRESS_FAILED {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// What cannot be read of one recording does not keep the server from starting.
func TestUnreadableRecordingDoesNotKeepOthers(t *testing.T) {
	for name, value := range map[string]string{
		"it": `{`, "its state": `{"info": {"status": 7.5}}`, "its end": `{"info": {"egressId": "EG_bad"}, "final": {"status": []}}`,
	} {
		t.Run(name, func(t *testing.T) {
			store := memory.New()
			r := boot(t, store, "", eventlog.Retention{}, nil)
			if _, err := r.hooks.PutEgress(t.Context(), "EG_bad", "devkey", aPage.Webhooks); err != nil {
				t.Fatal(err)
			}
			r.log.SaveCursors(map[string][]byte{jobKey("EG_bad"): []byte(value)}, nil)
			r.end()
			r = boot(t, store, "", eventlog.Retention{}, nil)
			defer r.end()
			if left := r.hooks.Endpoints(); len(left) != 0 {
				t.Errorf("webhooks are left: %v", left)
			}
			if kept, err := r.log.LoadCursors(jobPrefix); err != nil || len(kept) != 0 {
				t.Errorf("recordings that are kept: %v %v", kept, err)
			}
		})
	}
}
