package egress

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
	"github.com/rollcall-rtc/rollcall/internal/egress/upload"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// notebook is a log in memory.
type notebook struct {
	mu      sync.Mutex
	cursors map[string][]byte
	records []event.Record
}

func (n *notebook) Append(events ...event.Event) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range events {
		body, err := e.Body("id")
		if err != nil {
			panic(err)
		}
		n.records = append(n.records, event.Record{Seq: uint64(len(n.records) + 1), Name: e.Name, Time: e.Time, Body: body})
	}
	return uint64(len(n.records))
}

func (n *notebook) Last() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return uint64(len(n.records))
}

func (n *notebook) First() uint64 { return 1 }

func (n *notebook) Read(_ context.Context, after uint64, _ int) ([]event.Record, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.records[after:len(n.records):len(n.records)], nil
}

func (n *notebook) ReadRoom(ctx context.Context, _ string, after uint64, limit int) ([]event.Record, error) {
	return n.Read(ctx, after, limit)
}

func (n *notebook) Sync(context.Context, uint64) error { return nil }

func (n *notebook) SaveCursors(puts map[string][]byte, deletes []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.Copy(n.cursors, puts)
	for _, key := range deletes {
		delete(n.cursors, key)
	}
}

func (n *notebook) LoadCursors(prefix string) (map[string][]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	found := make(map[string][]byte)
	for key, value := range n.cursors {
		if strings.HasPrefix(key, prefix) {
			found[key] = value
		}
	}
	return found, nil
}

// put keeps a value as JSON.
func (n *notebook) put(t *testing.T, key string, v any) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	n.SaveCursors(map[string][]byte{key: raw}, nil)
}

func testOptions(t *testing.T, n *notebook) Options {
	return Options{
		Log: n, Directory: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Patience: time.Minute,
		Workers: make(map[wire.Kind]Worker),
	}
}

// leave has a job in the log whose only file is on its way to a target that cannot be
// opened, so that it stays so.
func (n *notebook) leave(t *testing.T, id string, info *livekit.EgressInfo, final *livekit.EgressInfo, p upload.Parcel) {
	t.Helper()
	info.EgressId = id
	raw, err := protojson.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	k := kept{Info: raw, Settled: final == nil}
	if final != nil {
		if k.Final, err = protojson.Marshal(final); err != nil {
			t.Fatal(err)
		}
	}
	n.put(t, jobKey(id), k)
	n.Append(event.Event{Name: event.EgressStarted, Time: time.Now(), Egress: info})
	p.Targets, p.Files = []storage.Target{{}}, []upload.File{{Path: "/nowhere/a.mp4", Name: "a.mp4"}}
	n.put(t, uploadKey(id), p)
}

// closes has a service end within a time.
func closes(t *testing.T, s *Service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it ends after %v", took)
	}
}

func TestUploadOfAForgottenJobDoesNotHoldUpTheServersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{cursors: make(map[string][]byte)}
		now := time.Now()
		n.leave(t, "EG_old", &livekit.EgressInfo{Status: livekit.EgressStatus_EGRESS_COMPLETE, EndedAt: now.Add(-time.Hour).UnixNano()}, nil,
			upload.Parcel{Told: true, Concluded: true, Ended: now})
		s, err := Open(t.Context(), testOptions(t, n))
		if err != nil {
			t.Fatal(err)
		}
		list := func() int {
			got, err := s.List(t.Context(), &livekit.ListEgressRequest{})
			if err != nil {
				t.Fatal(err)
			}
			return len(got.Items)
		}
		if got := list(); got != 1 {
			t.Fatalf("%d jobs", got)
		}
		time.Sleep(keepEnded)
		if got := list(); got != 0 {
			t.Errorf("%d jobs after a day", got)
		}
		closes(t, s)
		if left, _ := n.LoadCursors(uploadPrefix); len(left) != 1 {
			t.Errorf("%d uploads are left for the next start", len(left))
		}
	})
}

func TestJobOfAnEarlierRunThatIsBeingSentEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{cursors: make(map[string][]byte)}
		n.leave(t, "EG_sent", &livekit.EgressInfo{Status: livekit.EgressStatus_EGRESS_ENDING}, &livekit.EgressInfo{Status: livekit.EgressStatus_EGRESS_COMPLETE},
			upload.Parcel{Ended: time.Now()})
		s, err := Open(t.Context(), testOptions(t, n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Stop(t.Context(), "EG_sent"); err != nil {
			t.Error(err)
		}
		closes(t, s)
	})
}

func TestJobsThatBeginAtOnceAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{cursors: make(map[string][]byte)}
		o := testOptions(t, n)
		o.Limits.Jobs = 2
		var mu sync.Mutex
		preparing, goOn := 0, make(chan struct{})
		broken := errors.New("the page does not load")
		o.Workers[wire.Browse] = Worker{Prepare: func(context.Context, *request.Request, *wire.Job) error {
			mu.Lock()
			preparing++
			mu.Unlock()
			<-goOn
			return broken
		}}
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		const asked = 5
		begin := func(results chan<- error) {
			_, err := s.Start(t.Context(), "key", &livekit.WebEgressRequest{Url: "https://example.com",
				FileOutputs: []*livekit.EncodedFileOutput{{FileType: livekit.EncodedFileType_MP4}}})
			results <- err
		}
		results := make(chan error, asked)
		for range asked {
			go begin(results)
		}
		synctest.Wait()
		if preparing != o.Limits.Jobs || len(results) != asked-o.Limits.Jobs {
			t.Errorf("%d begin, %d are refused", preparing, len(results))
		}
		close(goOn)
		synctest.Wait()
		failed := 0
		for range asked {
			if err := <-results; errors.Is(err, broken) {
				failed++
			} else if e, ok := errors.AsType[*Error](err); !ok || e.Code != ResourceExhausted {
				t.Error(err)
			}
		}
		if failed != o.Limits.Jobs {
			t.Errorf("%d of them failed to begin", failed)
		}
		// Those have left their places to others.
		begin(results)
		if err := <-results; !errors.Is(err, broken) {
			t.Errorf("the next: %v", err)
		}
		closes(t, s)
	})
}
