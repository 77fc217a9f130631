package storage

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A store that is slow is seen to take what it takes, while one part is on its way:
// the first bytes are noted before it has read the others.
func TestSlowStoreIsSeenToTakeAPart(t *testing.T) {
	for name, target := range map[string]Target{
		"s3":    {Trusted: true, S3: &S3{AccessKey: "key", Secret: "c2VjcmV0", Bucket: "bucket", ForcePathStyle: true}},
		"azure": {Trusted: true, Azure: &Azure{Account: "account", Key: "c2VjcmV0", Container: "container"}},
	} {
		t.Run(name, func(t *testing.T) {
			const size = 4 << 20
			data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
			var moved atomic.Int64
			got := make(chan []byte, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				if len(body) >= size {
					got <- body
				}
				w.Header().Set("ETag", "\"x\"")
				w.WriteHeader(map[string]int{"s3": http.StatusOK, "azure": http.StatusCreated}[name])
			}))
			defer server.Close()
			if target.S3 != nil {
				target.S3.Endpoint = server.URL
			} else {
				target.Azure.Endpoint = server.URL
			}
			store, err := Open(target, Options{Guarded: new(net.Dialer).DialContext})
			if err != nil {
				t.Fatal(err)
			}
			o := Object{Name: "a.mp4", Size: size, Body: bytes.NewReader(data), Save: func(string) {}, Progress: func() { moved.Add(1) }}
			if err := store.Upload(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if body := <-got; !bytes.Equal(body, data) {
				t.Errorf("%d bytes arrived, or others than those of the file", len(body))
			}
			if n := moved.Load(); n < size/pieceStep {
				t.Errorf("progress was noted %d times in %d bytes", n, size)
			}
		})
	}
}

// A piece is read in small steps, and again from its beginning, whoever reads it.
func TestPieceIsReadInSteps(t *testing.T) {
	n := 0
	o := Object{Progress: func() { n++ }}
	p := o.piece(bytes.Repeat([]byte("x"), 3*pieceStep))
	for range 2 {
		n = 0
		var all strings.Builder
		if _, err := io.Copy(&all, p); err != nil || all.Len() != 3*pieceStep || n < 3 {
			t.Errorf("%d bytes in %d steps: %v", all.Len(), n, err)
		}
		if at, err := p.Seek(0, io.SeekStart); at != 0 || err != nil {
			t.Errorf("at %d: %v", at, err)
		}
	}
}
