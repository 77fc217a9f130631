//go:build stores

package upload

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
	"github.com/rollcall-rtc/rollcall/internal/testkit/tools"
)

// locker is a bucket whose objects nobody can overwrite or delete for a day.
type locker struct {
	target storage.Target
	dir    string // its objects

	mu    sync.Mutex
	tries map[string]int // by name
}

// newLocker makes one at a real server. With versions it keeps what was there under a
// name, as Amazon's do; without, it takes each name once.
func newLocker(t *testing.T, versions bool) *locker {
	t.Helper()
	dir, flags := t.TempDir(), []string(nil)
	if versions {
		flags = []string{"--versioning-dir", t.TempDir()}
	}
	addr := tools.S3(t, dir, flags...)
	l := &locker{dir: filepath.Join(dir, "locked"), tries: make(map[string]int)}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			l.mu.Lock()
			l.tries[strings.TrimPrefix(r.URL.Path, "/locked/")]++
			l.mu.Unlock()
			// Amazon's refuse it so for a bucket that locks; this server does not.
			if r.Header.Get("Content-Md5") == "" {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, "<Error><Code>InvalidRequest</Code><Message>Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters</Message></Error>")
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(way.Close)
	admin, err := minio.New(addr, &minio.Options{Creds: credentials.NewStaticV4(tools.S3AccessKey, tools.S3Secret, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.MakeBucket(t.Context(), "locked", minio.MakeBucketOptions{ObjectLocking: true}); err != nil {
		t.Fatal(err)
	}
	mode, days, unit := minio.Compliance, uint(1), minio.Days
	if err := admin.SetBucketObjectLockConfig(t.Context(), "locked", &mode, &days, &unit); err != nil {
		t.Fatal(err)
	}
	if versions {
		if err := admin.EnableVersioning(t.Context(), "locked"); err != nil {
			t.Fatal(err)
		}
	}
	l.target.S3 = &storage.S3{AccessKey: tools.S3AccessKey, Secret: tools.S3Secret, Bucket: "locked", Endpoint: way.URL}
	return l
}

// has is what there is under a name, "" for nothing.
func (l *locker) has(name string) string {
	raw, _ := os.ReadFile(filepath.Join(l.dir, name))
	return string(raw)
}

func (l *locker) triesOf(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tries[name]
}

// within waits for something that comes about in the store.
func within(t *testing.T, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !there(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// start begins to send a desk's parcel to the bucket.
func (l *locker) start(d *desk) *Sender {
	d.parcel.Targets = []storage.Target{l.target}
	return Start(d.parcel, Options{
		Open: func(target storage.Target) (storage.Store, error) {
			return storage.Open(target, storage.Options{Guarded: new(net.Dialer).DialContext, PartSize: 5 << 20})
		},
		Save: func(Parcel) int { return 0 }, Conclude: func(Parcel) []File { return nil },
		Content: func(p Parcel, f File) ([]byte, error) {
			if f.Name == "list.m3u8" {
				return soFar(p, f)
			}
			return os.ReadFile(f.Path)
		},
		Shown: func(File, string) {}, Settled: func(p Parcel) { d.settled = append(d.settled, p) },
		Patience: time.Minute, Slots: make(chan struct{}, 1), Logger: slog.New(slog.NewTextHandler(d.t.Output(), nil)),
	})
}

// record sends three segments one after the other, their list, and an image that is
// always overwritten, and returns how that ended.
func (l *locker) record(t *testing.T) Parcel {
	t.Helper()
	d := newDesk(t)
	s := l.start(d)
	list, image := d.file("list.m3u8"), d.file("image.jpeg")
	s.Follow(list, 0)
	s.Follow(image, 0)
	var segments []File
	for n := range 3 {
		f := d.file(fmt.Sprintf("%d.ts", n))
		segments = append(segments, f)
		s.Offer(f)
		within(t, f.Name, func() bool { return l.has(f.Name) == f.Name })
		s.Touch(image.Path)
	}
	// The store is tried with what it has, or takes lists.
	within(t, "a try to write a name anew", func() bool { return l.triesOf("0.ts") > 1 })
	s.Add(append(segments, list, image)...)
	s.Finish()
	<-s.Done()
	if len(d.settled) != 1 {
		t.Fatalf("told %d times", len(d.settled))
	}
	return d.settled[0]
}

// recordWhole records, and fails the test unless all of it is in its place at the end.
func (l *locker) recordWhole(t *testing.T) {
	t.Helper()
	p := l.record(t)
	if f := p.OutOfPlace(); f != nil {
		t.Errorf("%s is not in its place: %s", f.Name, f.Problem)
	}
	for _, name := range []string{"0.ts", "1.ts", "2.ts", "list.m3u8", "image.jpeg"} {
		if got := l.has(name); got != name {
			t.Errorf("%s is %q", name, got)
		}
	}
}

// A store that takes each name once, as one does that locks objects and keeps no
// versions, gets each name once, and is whole at the end.
func TestRealStoresBucketThatTakesNamesOnceIsWhole(t *testing.T) {
	l := newLocker(t, false)
	l.recordWhole(t)
	for _, name := range []string{"list.m3u8", "image.jpeg"} {
		if n := l.triesOf(name); n != 1 {
			t.Errorf("%s is tried %d times", name, n)
		}
	}
}

// A store that locks versions gets lists while they grow, as any other.
func TestRealStoresBucketThatLocksVersionsGetsListsAsTheyGrow(t *testing.T) {
	l := newLocker(t, true)
	l.recordWhole(t)
	if n := l.triesOf("list.m3u8"); n < 2 {
		t.Errorf("the list is sent %d times", n)
	}
}

// What a store that takes each name once has, and a server did not hear of before it
// died, counts as sent; what is another's does not.
func TestRealStoresWhatABucketHasAlreadyCountsAsSent(t *testing.T) {
	l := newLocker(t, false)
	d := newDesk(t)
	large := d.file("large.mp4")
	if err := os.WriteFile(large.Path, bytes.Repeat([]byte("pictures"), 12<<20/8), 0o600); err != nil {
		t.Fatal(err)
	}
	d.parcel.Files, d.parcel.Ended = []File{d.file("small.ts"), d.file("empty.vtt"), large}, time.Now()
	if err := os.Truncate(d.parcel.Files[1].Path, 0); err != nil {
		t.Fatal(err)
	}
	send := func() {
		s := l.start(d)
		within(t, "the end to be told", func() bool { return s.Parcel().Told })
		s.Close()
	}
	send()
	send() // the parcel as it was: nothing was noted
	if f := d.settled[1].OutOfPlace(); f != nil {
		t.Errorf("%s counts as missing: %s", f.Name, f.Problem)
	}
	if err := os.WriteFile(d.parcel.Files[0].Path, []byte("SMALL.TS"), 0o600); err != nil {
		t.Fatal(err)
	}
	send()
	p := d.settled[2]
	if f := p.OutOfPlace(); f == nil || f.Name != "small.ts" || !f.Refused {
		t.Errorf("out of place: %+v", f)
	}
	if got := l.has("small.ts"); got != "small.ts" {
		t.Errorf("the store has %q", got)
	}
}
