package asset

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAssetIsZippedAndRevalidatedUnderAnETagOfItsOwn(t *testing.T) {
	text := strings.Repeat("what is said twice is zipped ", 20)
	a := New("page.html", Revalidate, []byte(text))
	ask := func(header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/", nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w
	}
	plain, zipped := ask(), ask("Accept-Encoding", "br, gzip;q=0.8")
	if plain.Body.String() != text || plain.Header().Get("Content-Type") != "text/html; charset=utf-8" || plain.Header().Get("Cache-Control") != Revalidate {
		t.Errorf("plain: %v", plain.Header())
	}
	z, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != text {
		t.Errorf("zipped: %v %s", err, got)
	}
	if plain.Header().Get("ETag") == zipped.Header().Get("ETag") {
		t.Error("one ETag for two representations")
	}
	if w := ask("Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("gzip for a client that refuses it")
	}
	for _, match := range []string{plain.Header().Get("ETag"), `"other", W/` + plain.Header().Get("ETag"), "*"} {
		if w := ask("If-None-Match", match); w.Code != 304 || w.Body.Len() > 0 {
			t.Errorf("If-None-Match %s: %d", match, w.Code)
		}
	}
	if w := ask("If-None-Match", `"other"`); w.Code != 200 {
		t.Errorf("another ETag: %d", w.Code)
	}
	small := New("x.bin", Immutable, []byte("x"))
	w := httptest.NewRecorder()
	r := httptest.NewRequest("HEAD", "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	small.ServeHTTP(w, r)
	if w.Header().Get("Content-Encoding") != "" || w.Body.Len() > 0 || w.Header().Get("Content-Length") != "1" {
		t.Errorf("what does not shrink: %v", w.Header())
	}
}
