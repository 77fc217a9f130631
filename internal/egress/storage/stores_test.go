//go:build stores

package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/testkit/tools"
)

// faulty is a way to a server that breaks after a number of requests that carry a
// part of an object.
type faulty struct {
	url  string
	left atomic.Int64 // of those requests; negative is no limit
	sent atomic.Int64 // bytes in them
}

func newFaulty(t *testing.T, addr string) *faulty {
	f := new(faulty)
	f.left.Store(-1)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.ContentLength > 4096 {
			if left := f.left.Load(); left == 0 {
				panic(http.ErrAbortHandler)
			} else if left > 0 {
				f.left.Add(-1)
			}
			f.sent.Add(r.ContentLength)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	f.url = s.URL
	return f
}

// bench is a store with a bucket, and how to read it.
type bench struct {
	target Target
	part   int64
	way    *faulty
	read   func(name string) []byte
	wrong  func(*Target) // makes its key a wrong one
	// forgets says that the server takes what it has for all when it is asked how
	// much that is; Google's does not, see TestGCSUploadGoesOnWhereItWas.
	forgets bool
}

func s3Bench(t *testing.T) *bench {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "recordings"), 0o755); err != nil {
		t.Fatal(err)
	}
	addr := tools.S3(t, dir)
	way := newFaulty(t, addr)
	return &bench{
		target: Target{S3: &S3{AccessKey: tools.S3AccessKey, Secret: tools.S3Secret, Bucket: "recordings", Endpoint: way.url, Metadata: map[string]string{"call": "7"}, Tagging: "team=a"}},
		part:   5 << 20, way: way,
		read: func(name string) []byte {
			b, err := os.ReadFile(filepath.Join(dir, "recordings", name))
			if err != nil {
				t.Error(err)
			}
			return b
		},
		wrong: func(target *Target) { target.S3.Secret = "wrongwrong" },
	}
}

func gcsBench(t *testing.T) *bench {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "recordings"), 0o755); err != nil {
		t.Fatal(err)
	}
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("grant_type") == "" || strings.Count(r.FormValue("assertion"), ".") != 2 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "token", "expires_in": 3600, "token_type": "Bearer"})
	}))
	t.Cleanup(tokens.Close)
	var way *faulty
	addr := tools.Serve(t, func(port string) *exec.Cmd {
		way = newFaulty(t, "127.0.0.1:"+port)
		return exec.Command(tools.Path(t, "usr/bin/fake-gcs-server"), "-scheme", "http", "-host", "127.0.0.1", "-port", port,
			"-backend", "memory", "-data", dir, "-external-url", way.url)
	})
	return &bench{
		target: Target{GCS: &GCS{Bucket: "recordings", Endpoint: way.url, Credentials: serviceKey(t, tokens.URL)}},
		part:   1 << 20, way: way, forgets: true,
		read: func(name string) []byte {
			resp, err := http.Get("http://" + addr + "/storage/v1/b/recordings/o/" + url.PathEscape(name) + "?alt=media")
			if err != nil {
				t.Error(err)
				return nil
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			return b
		},
	}
}

func azureBench(t *testing.T) *bench {
	// The key that the emulator has by its documentation.
	const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	addr := tools.Serve(t, func(port string) *exec.Cmd {
		return exec.Command("node", tools.Path(t, "azurite/node_modules/azurite/dist/src/blob/main.js"),
			"--blobHost", "127.0.0.1", "--blobPort", port, "--location", t.TempDir(), "--silent", "--skipApiVersionCheck", "--disableTelemetry")
	})
	way := newFaulty(t, addr)
	target := Target{Azure: &Azure{Account: "devstoreaccount1", Key: key, Container: "recordings", Endpoint: way.url + "/devstoreaccount1"}}
	a := mustOpen(t, target, 1<<20).(*azure)
	if err := a.do(context.Background(), "make the container", http.MethodPut, new(Object), url.Values{"restype": {"container"}}, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	return &bench{
		target: target, part: 1 << 20, way: way,
		read: func(name string) []byte {
			u := *a.base
			u.Path += "/recordings/" + name
			req, _ := http.NewRequest(http.MethodGet, u.String(), nil)
			req.Header.Set("x-ms-date", time.Now().UTC().Format(http.TimeFormat))
			req.Header.Set("x-ms-version", azureVersion)
			a.sign(req, 0)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return nil
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			return b
		},
		wrong: func(target *Target) { target.Azure.Key = "d3Jvbmc=" },
	}
}

func mustOpen(t *testing.T, target Target, part int64) Store {
	t.Helper()
	s, err := Open(target, Options{Guarded: new(net.Dialer).DialContext, PartSize: part})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func content(size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = r.Read(b)
	return b
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return fmt.Sprint(len(b), " bytes ", hex.EncodeToString(s[:8]))
}

func TestRealStores(t *testing.T) {
	for name, make := range map[string]func(*testing.T) *bench{"s3": s3Bench, "gcp": gcsBench, "azure": azureBench} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := make(t)
			t.Run("small and empty files", func(t *testing.T) { b.small(t) })
			t.Run("an interrupted upload goes on where it was", func(t *testing.T) { b.interrupted(t) })
			t.Run("a state that is stale begins anew", func(t *testing.T) { b.stale(t) })
			t.Run("wrong keys and buckets are refused", func(t *testing.T) { b.refused(t) })
		})
	}
}

func (b *bench) small(t *testing.T) {
	store := mustOpen(t, b.target, b.part)
	for _, size := range []int{0, 1, 70_000} {
		data, name := content(size), fmt.Sprintf("calls/a b+ü&%d.mp4", size)
		if err := store.Upload(t.Context(), Object{Name: name, ContentType: "video/mp4", Size: int64(size), Body: bytes.NewReader(data), Save: func(string) {}}); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if got := b.read(name); !bytes.Equal(got, data) {
			t.Errorf("%s: there are %s, want %s", name, sum(got), sum(data))
		}
	}
}

func (b *bench) interrupted(t *testing.T) {
	data := content(int(b.part)*3 + 12345)
	state, fails := "", 0
	b.way.sent.Store(0)
	for try := 0; ; try++ {
		b.way.left.Store(1) // one part a try
		if b.forgets {
			b.way.left.Store(int64(try) + 1)
		}
		store := mustOpen(t, b.target, b.part)
		err := store.Upload(t.Context(), Object{Name: "large.mp4", ContentType: "video/mp4", Size: int64(len(data)), Body: bytes.NewReader(data), State: state, Save: func(s string) { state = s }})
		if err == nil {
			break
		}
		if errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
		if fails++; try > 10 {
			t.Fatal(err)
		}
	}
	b.way.left.Store(-1)
	if fails < 2 {
		t.Errorf("it broke %d times only", fails)
	}
	if got := b.read("large.mp4"); !bytes.Equal(got, data) {
		t.Errorf("there are %s, want %s", sum(got), sum(data))
	}
	if sent := b.way.sent.Load(); sent > int64(len(data))+2*b.part && !b.forgets {
		t.Errorf("%d bytes were sent for %d: what is there is sent again", sent, len(data))
	}
}

func (b *bench) stale(t *testing.T) {
	data := content(int(b.part)*2 + 1)
	store := mustOpen(t, b.target, b.part)
	state := ""
	object := Object{Name: "twice.mp4", ContentType: "video/mp4", Size: int64(len(data)), Body: bytes.NewReader(data), Save: func(s string) { state = s }}
	if err := store.Upload(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	// As after a crash between the last answer and its being noted.
	object.State = state
	if err := store.Upload(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	object.State = "nonsense"
	if strings.HasPrefix(state, "http") {
		object.State = state + "x"
	}
	if err := store.Upload(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if got := b.read("twice.mp4"); !bytes.Equal(got, data) {
		t.Errorf("there are %s, want %s", sum(got), sum(data))
	}
}

func (b *bench) refused(t *testing.T) {
	if b.wrong == nil {
		t.Log("this server looks at no keys")
		return
	}
	target := b.target
	if target.S3 != nil {
		s := *target.S3
		target.S3 = &s
	}
	if target.Azure != nil {
		a := *target.Azure
		target.Azure = &a
	}
	b.wrong(&target)
	err := mustOpen(t, target, b.part).Upload(t.Context(), Object{Name: "x.mp4", Size: 3, Body: strings.NewReader("abc"), Save: func(string) {}})
	if !errors.Is(err, ErrRefused) {
		t.Errorf("with a wrong key: %v", err)
	}
	if target.S3 != nil {
		target.S3.Secret = b.target.S3.Secret
		target.S3.Bucket = "no-such-bucket"
		err := mustOpen(t, target, b.part).Upload(t.Context(), Object{Name: "x.mp4", Size: 3, Body: strings.NewReader("abc"), Save: func(string) {}})
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "NoSuchBucket") {
			t.Errorf("without a bucket: %v", err)
		}
	}
}
