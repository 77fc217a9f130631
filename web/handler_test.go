package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func request(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestIndexIsServedAtRootAndRevalidated(t *testing.T) {
	r := request(t, "GET", "/?room=demo&name=Alice&join=1")
	if r.StatusCode != http.StatusOK {
		t.Fatalf("status %d", r.StatusCode)
	}
	if got := r.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	if got := r.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control %q", got)
	}
	if html := body(t, r); !strings.Contains(html, `<div id="root">`) {
		t.Errorf("not the page: %.200s", html)
	}
}

func TestEveryFileThatIndexNamesIsServed(t *testing.T) {
	html := body(t, request(t, "GET", "/"))
	names := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(html, -1)
	scripts := 0
	for _, m := range names {
		r := request(t, "GET", m[1])
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", m[1], r.StatusCode)
		}
		if strings.HasSuffix(m[1], ".js") {
			scripts++
			if got := r.Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
				t.Errorf("%s: Content-Type %q", m[1], got)
			}
		}
		if strings.HasPrefix(m[1], "/assets/") != strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: Cache-Control %q", m[1], r.Header.Get("Cache-Control"))
		}
	}
	if scripts == 0 {
		t.Errorf("index.html names no script: %s", html)
	}
}

func TestIndexNamesNoOtherHostAndNoInlineScript(t *testing.T) {
	html := body(t, request(t, "GET", "/"))
	if m := regexp.MustCompile(`(?:src|href)="(?:https?:)?//[^"]*"`).FindString(html); m != "" {
		t.Errorf("other host: %s", m)
	}
	for _, m := range regexp.MustCompile(`<script[^>]*>([^<]*)</script>`).FindAllStringSubmatch(html, -1) {
		if strings.TrimSpace(m[1]) != "" {
			t.Errorf("inline script, which the policy forbids: %s", m[0])
		}
	}
	if strings.Contains(html, "<style") || strings.Contains(html, "style=") {
		t.Error("inline style, which the policy forbids")
	}
}

func TestOtherPathsAreNotFound(t *testing.T) {
	for _, path := range []string{"/rooms", "/.sources", "/assets/", "/assets", "/dist/index.html", "/assets/../index.html", "//"} {
		if r := request(t, "GET", path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	r := request(t, "POST", "/")
	if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("status %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
}

func TestHeadAnswersAsGetWithoutBody(t *testing.T) {
	get, head := request(t, "GET", "/"), request(t, "HEAD", "/")
	want := body(t, get)
	if got := body(t, head); got != "" {
		t.Errorf("body of %d bytes", len(got))
	}
	for _, name := range []string{"Content-Length", "ETag", "Content-Type"} {
		if get.Header.Get(name) != head.Header.Get(name) {
			t.Errorf("%s: GET %q, HEAD %q", name, get.Header.Get(name), head.Header.Get(name))
		}
	}
	if get.ContentLength != int64(len(want)) {
		t.Errorf("Content-Length %d of %d", get.ContentLength, len(want))
	}
}

func TestGzipIsTheSameBodyUnderItsOwnETag(t *testing.T) {
	plain, zipped := request(t, "GET", "/"), request(t, "GET", "/", "Accept-Encoding", "br, gzip;q=0.8")
	if zipped.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("Content-Encoding %q", zipped.Header.Get("Content-Encoding"))
	}
	if plain.Header.Get("ETag") == zipped.Header.Get("ETag") {
		t.Error("one ETag for two representations")
	}
	z, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if want := body(t, plain); string(got) != want {
		t.Error("bodies differ")
	}
	if r := request(t, "GET", "/", "Accept-Encoding", "gzip;q=0"); r.Header.Get("Content-Encoding") != "" {
		t.Error("gzip sent to a client that refuses it")
	}
}

func TestKnownETagIsNotModified(t *testing.T) {
	for _, encoding := range []string{"", "gzip"} {
		etag := request(t, "GET", "/", "Accept-Encoding", encoding).Header.Get("ETag")
		for _, match := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
			r := request(t, "GET", "/", "Accept-Encoding", encoding, "If-None-Match", match)
			if r.StatusCode != http.StatusNotModified || body(t, r) != "" {
				t.Errorf("If-None-Match %s: status %d", match, r.StatusCode)
			}
		}
		if r := request(t, "GET", "/", "Accept-Encoding", encoding, "If-None-Match", `"other"`); r.StatusCode != http.StatusOK {
			t.Errorf("other ETag: status %d", r.StatusCode)
		}
	}
}

func TestPolicyAllowsNoOtherHost(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = "rooms.example.org:7880"
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	policy := w.Result().Header.Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'",
		"connect-src 'self' ws://rooms.example.org:7880 wss://rooms.example.org:7880;",
	} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy lacks %q: %s", want, policy)
		}
	}
	for directive := range strings.SplitSeq(policy, ";") {
		for _, source := range strings.Fields(directive)[1:] {
			switch source {
			case "'none'", "'self'", "data:", "blob:", "ws://rooms.example.org:7880", "wss://rooms.example.org:7880":
			default:
				t.Errorf("source %q in %q", source, directive)
			}
		}
	}
}

func TestHostCannotWriteIntoThePolicy(t *testing.T) {
	want := contentSecurityPolicy("")
	for _, host := range []string{
		"a; script-src *", "a b", "a,b", "*", "*.example.org", "a'b", "[::1]:7880", "a:b", "a:80:90", ":80", "é.example",
		strings.Repeat("a", 256), "a\tb", "a\nb", "a/b", "a?b", "a:",
	} {
		if got := contentSecurityPolicy(host); got != want {
			t.Errorf("host %q: %s", host, got)
		}
	}
	for _, host := range []string{"localhost", "127.0.0.1:7880", "a-b.example.org"} {
		if got := contentSecurityPolicy(host); got == want {
			t.Errorf("host %q is left out", host)
		}
	}
}

func FuzzPolicyKeepsItsDirectives(f *testing.F) {
	for _, host := range []string{"", "localhost:7880", "a; script-src *", "[::1]:80", "a,b"} {
		f.Add(host)
	}
	want := strings.Count(contentSecurityPolicy(""), ";")
	f.Fuzz(func(t *testing.T, host string) {
		policy := contentSecurityPolicy(host)
		if strings.Count(policy, ";") != want || strings.ContainsAny(policy, ",*\r\n\t") {
			t.Errorf("host %q: %s", host, policy)
		}
	})
}

func TestBodyThatDoesNotShrinkIsSentPlain(t *testing.T) {
	p, err := newPage(fstest.MapFS{
		"dist/index.html":           {Data: []byte("x")},
		"dist/dashboard/index.html": {Data: []byte("x")},
		"dist/.sources":             {Data: []byte("sources 0\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if w.Header().Get("Content-Encoding") != "" || !bytes.Equal(w.Body.Bytes(), []byte("x")) {
		t.Errorf("encoding %q, body %q", w.Header().Get("Content-Encoding"), w.Body)
	}
	if len(p.assets) != 4 {
		t.Errorf("%d paths, want / and /dashboard, and their files", len(p.assets))
	}
}

func TestPageWithoutIndexIsAnError(t *testing.T) {
	if _, err := newPage(fstest.MapFS{"dist/other.html": {Data: []byte("x")}}); err == nil {
		t.Error("no error")
	}
}

func TestDashboardIsServedAtItsPathAndBelow(t *testing.T) {
	home := body(t, request(t, "GET", "/"))
	html := body(t, request(t, "GET", "/dashboard"))
	if !strings.Contains(html, "<title>Rollcall dashboard</title>") || html == home {
		t.Fatalf("not the dashboard: %.300s", html)
	}
	for _, path := range []string{"/dashboard/", "/dashboard/rooms", "/dashboard/rooms/a.b%2Fc/x", "/dashboard/index.html"} {
		r := request(t, "GET", path)
		if r.StatusCode != http.StatusOK || r.Header.Get("Cache-Control") != "no-cache" || !strings.Contains(r.Header.Get("Content-Security-Policy"), "script-src 'self';") {
			t.Errorf("%s: status %d, %v", path, r.StatusCode, r.Header)
		}
		if got := body(t, r); got != html {
			t.Errorf("%s is another page", path)
		}
	}
	if r := request(t, "GET", "/dashboards"); r.StatusCode != http.StatusNotFound {
		t.Errorf("/dashboards: status %d", r.StatusCode)
	}
}

// All scripts that the dashboard can load, in gzip, as it is sent.
func TestDashboardsScriptsAreSmallAndWithoutTheMediaSDK(t *testing.T) {
	const most = 300_000
	seen, total := map[string]bool{}, 0
	named := regexp.MustCompile(`[\w-]+\.js`)
	var load func(name string)
	load = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		r := request(t, "GET", "/assets/"+name)
		if r.StatusCode == http.StatusNotFound {
			return // a word that looks like one
		}
		script := body(t, r)
		if strings.HasPrefix(name, "livekit") || strings.Contains(script, "RTCPeerConnection") {
			t.Errorf("%s is loaded, or holds the media SDK", name)
		}
		zipped := request(t, "GET", "/assets/"+name, "Accept-Encoding", "gzip")
		total += len(body(t, zipped))
		for _, more := range named.FindAllString(script, -1) {
			load(more)
		}
	}
	for _, m := range regexp.MustCompile(`/assets/([\w-]+\.js)`).FindAllStringSubmatch(body(t, request(t, "GET", "/dashboard")), -1) {
		load(m[1])
	}
	t.Logf("%d bytes in %d files", total, len(seen))
	if len(seen) < 3 || total < 10_000 || total > most {
		t.Errorf("%d bytes in %d files, want at most %d", total, len(seen), most)
	}
}
