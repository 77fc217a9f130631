package storage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// resumable is Google's side of a resumable upload: it breaks off after each
// piece.
type resumable struct {
	mu   sync.Mutex
	got  []byte
	asks int
}

func (s *resumable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first, last, total int
	switch {
	case r.URL.Path == "/token":
		fmt.Fprint(w, `{"access_token":"t","expires_in":3600}`)
		return
	case r.Method == http.MethodPost:
		w.Header().Set("Location", "http://"+r.Host+"/session")
		return
	}
	if n, _ := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes */%d", &total); n == 1 {
		s.asks++
	} else if n, _ := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total); n != 3 || first != len(s.got) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	body, _ := io.ReadAll(r.Body)
	s.got = append(s.got, body...)
	switch {
	case len(s.got) == total:
		fmt.Fprintf(w, `{"size":"%d"}`, total)
	case len(body) > 0:
		panic(http.ErrAbortHandler) // it has it, and nobody hears of it
	default:
		if len(s.got) > 0 {
			w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(s.got)-1))
		}
		w.WriteHeader(http.StatusPermanentRedirect)
	}
}

func TestGCSUploadGoesOnWhereItWas(t *testing.T) {
	google := new(resumable)
	server := httptest.NewServer(google)
	defer server.Close()
	data := []byte(strings.Repeat("0123456789abcdef", 70_000))
	target := Target{GCS: &GCS{Bucket: "bucket", Endpoint: server.URL, Credentials: serviceKey(t, server.URL+"/token")}}
	state, tries := "", 0
	for {
		store, err := Open(target, Options{Guarded: new(net.Dialer).DialContext, PartSize: gcsChunk})
		if err != nil {
			t.Fatal(err)
		}
		tries++
		if err = store.Upload(context.Background(), Object{Name: "a.mp4", Size: int64(len(data)), Body: bytes.NewReader(data), State: state, Save: func(s string) { state = s }}); err == nil {
			break
		}
		if tries > 10 {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(google.got, data) || google.asks != tries-1 || tries != 5 {
		t.Errorf("%d bytes of %d after %d tries, of which %d asked how much there is", len(google.got), len(data), tries, google.asks)
	}
}

func TestGCSObjectOfAnotherSizeIsNoConfirmation(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://"+r.Host+"/session")
		fmt.Fprint(w, `{"access_token":"t","expires_in":3600,"size":"2"}`)
	}))
	defer server.Close()
	store, err := Open(Target{GCS: &GCS{Bucket: "bucket", Endpoint: server.URL, Credentials: serviceKey(t, server.URL)}}, Options{Guarded: new(net.Dialer).DialContext})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Upload(context.Background(), Object{Name: "a.mp4", Size: 3, Body: strings.NewReader("abc"), Save: func(string) {}}); err == nil {
		t.Error("two bytes are taken for three")
	}
}
