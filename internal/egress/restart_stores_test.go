//go:build stores

package egress

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
	"github.com/rollcall-rtc/rollcall/internal/egress/upload"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/testkit/tools"
)

// A store that did not answer has the end told without it. The server dies just before
// that is in the log: the next start tells it, once, and goes on to send at once.
func TestRealStoresUploadWhoseEndWasNotToldGoesOnAtTheNextStart(t *testing.T) {
	buckets, directory, store := t.TempDir(), t.TempDir(), memory.New()
	if err := os.Mkdir(filepath.Join(buckets, "recordings"), 0o755); err != nil {
		t.Fatal(err)
	}
	var up atomic.Bool
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: tools.S3(t, buckets)})
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer way.Close()
	here := func(o *Options) { o.Directory = directory }
	path, content := filepath.Join(directory, "a.ogg"), bytes.Repeat([]byte("sound"), 1000)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}

	// The first run has recorded, and was to send.
	r := boot(t, store, "", eventlog.Retention{}, here)
	info := func(status livekit.EgressStatus) *livekit.EgressInfo {
		return &livekit.EgressInfo{EgressId: "EG_1", RoomName: "den", Status: status, FileResults: []*livekit.FileInfo{{Filename: "a.ogg", Location: path}}}
	}
	j := &job{s: r.Service, id: "EG_1", info: info(livekit.EgressStatus_EGRESS_ENDING)}
	j.final = info(livekit.EgressStatus_EGRESS_COMPLETE)
	target := storage.Target{S3: &storage.S3{AccessKey: tools.S3AccessKey, Secret: tools.S3Secret, Bucket: "recordings", Endpoint: way.URL}}
	j.sendParcel(upload.Parcel{Targets: []storage.Target{target}, Files: []upload.File{{Path: path, Name: "a.ogg"}}})
	j.tell(event.EgressStarted)
	r.log.before = event.EgressEnded
	j.sender.Finish()
	for !r.log.dead.Load() {
		time.Sleep(10 * time.Millisecond)
	}
	j.sender.Close()
	r.end()

	up.Store(true)
	r = boot(t, store, "", eventlog.Retention{}, here)
	sent := filepath.Join(buckets, "recordings", "a.ogg")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		got, err := os.ReadFile(sent)
		// The store has the file before the server hears so: one that ends in between sends it again.
		left, failed := r.log.LoadCursors(uploadPrefix)
		if err == nil && bytes.Equal(got, content) && failed == nil && len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the first restart: %v, %d bytes are in the store, and %d uploads are left, %v", err, len(got), len(left), failed)
		}
	}
	r.end()

	r = boot(t, store, "", eventlog.Retention{}, here)
	defer r.end()
	if left, err := r.log.LoadCursors(uploadPrefix); err != nil || len(left) != 0 {
		t.Errorf("uploads that are left: %v %v", left, err)
	}
	ends := 0
	for _, name := range r.told() {
		if name == event.EgressEnded {
			ends++
		}
	}
	if ends != 1 {
		t.Errorf("told: %v", r.told())
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("what was said to be here: %v", err)
	}
}
