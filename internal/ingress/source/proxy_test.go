package source

import (
	"bufio"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
)

// only lets loopback addresses through.
func only(a netip.Addr) error {
	if !a.IsLoopback() {
		return fmt.Errorf("%s is not allowed here", a)
	}
	return nil
}

func aliasOf(t *testing.T, raw string) *alias {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAlias(u)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// through returns a proxy for a source, and a client of it that follows nothing.
func through(t *testing.T, source *alias, roots *x509.CertPool) (*proxy, *http.Client) {
	t.Helper()
	p, err := newProxy(only, source, roots)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(at), DisableCompression: true}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func roots(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func TestAliasesStandForTheirURLs(t *testing.T) {
	for ref, want := range map[string]string{
		"a/b.ts?x":                      "a/b.ts?x",
		"/a":                            "/a",
		"?x":                            "?x",
		"http://a.example:81/b?c#d":     "http://a.example:81/b?c#d",
		"https://a.example/b?c=https:d": "http://a.example.s.invalid/b?c=https:d",
		"HTTPS://u:p@a.example:8443?x":  "http://u:p@a.example.s.invalid:8443?x",
		"//a.example/b":                 "http://a.example.s.invalid/b",
		"https://[2001:db8::1]:444/b":   "http://2001-db8--1.v6.s.invalid:444/b",
		"https://192.0.2.1/b":           "http://192.0.2.1.s.invalid/b",
	} {
		got, err := toPlain(ref, "https")
		if err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", ref, got, err, want)
			continue
		}
		u, err := url.Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(strings.ToLower(ref), "https:") {
			if fromPlain(u); !strings.EqualFold(u.String(), ref) {
				t.Errorf("%s comes back as %s", ref, u)
			}
		}
	}
	for _, ref := range []string{
		"httpproxy://127.0.0.1:9/10.1.2.3:80/x.ts", "file:///etc/passwd", "tcp://10.0.0.1:80", "crypto+http://a/b", "data:text/plain,x",
		"https:a", "https:///a", "https://[fe80::1%25eth0]/a", "udp:1",
	} {
		if got, err := toPlain(ref, "http"); err == nil {
			t.Errorf("%s is %s", ref, got)
		}
	}
}

func TestCredentialsStayHere(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	far := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		user, password, _ := r.BasicAuth()
		asked = append(asked, fmt.Sprintf("%s %s:%s %s", r.URL, user, password, r.Header.Get("Accept-Encoding")))
	}))
	defer far.Close()
	elsewhere := httptest.NewServer(far.Config.Handler)
	defer elsewhere.Close()
	source := aliasOf(t, strings.Replace(far.URL, "https://", "https://camera:hunter22@", 1)+"/live/x.m3u8?sig=s3cr3t")
	if strings.Contains(source.url, "hunter22") || strings.Contains(source.url, "s3cr3t") || strings.Contains(source.url, "https") {
		t.Errorf("the child is told %s", source.url)
	}
	_, c := through(t, source, roots(far))
	base, _, _ := strings.Cut(source.url, "?")
	for _, url := range []string{source.url, base, base + "?other", elsewhere.URL + "/a"} {
		if resp, _ := get(t, c, url); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", url, resp.Status)
		}
	}
	want := []string{
		"/live/x.m3u8?sig=s3cr3t camera:hunter22 identity", "/live/x.m3u8 camera:hunter22 identity",
		"/live/x.m3u8?other camera:hunter22 identity", "/a : identity",
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

// Segments and redirects are no less verified than what names them.
func TestCertificatesAreVerifiedWhereverTheURLComesFrom(t *testing.T) {
	far := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked") }))
	far.Config.ErrorLog = log.New(io.Discard, "", 0)
	far.StartTLS()
	defer far.Close()
	first := httptest.NewServer(http.RedirectHandler(far.URL+"/b?c", http.StatusFound))
	defer first.Close()
	p, c := through(t, aliasOf(t, first.URL+"/a"), nil)
	resp, _ := get(t, c, first.URL+"/a")
	to := resp.Header.Get("Location")
	if want := strings.Replace(strings.Replace(far.URL, "https", "http", 1), "127.0.0.1", "127.0.0.1.s.invalid", 1) + "/b?c"; to != want {
		t.Fatalf("it goes on at %q, want %q", to, want)
	}
	if resp, _ := get(t, c, to); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("an unknown certificate: %s", resp.Status)
	}
	if err := p.blocked(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("said: %v", err)
	}
}

func TestTheProxyRefusesWhatIsNotFetched(t *testing.T) {
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
		case "/file":
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		case "/large":
			fmt.Fprint(w, "#EXTM3U\n"+strings.Repeat("#\n", maxPlaylist/2))
		case "/key":
			fmt.Fprint(w, "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"httpproxy://127.0.0.1:9/10.1.2.3:80/k\"\n")
		case "/bare":
			fmt.Fprint(w, "#EXTM3U\n#EXT-X-MAP:URI=tcp://10.1.2.3:80,X=1\n")
		case "/segment":
			fmt.Fprint(w, "#EXTM3U\r\n#EXTINF:1,\r\n httpproxy://127.0.0.1:9/10.1.2.3:80/x.ts\r\n")
		}
	}))
	defer far.Close()
	for _, path := range []string{"/gzip", "/file", "/large", "/key", "/bare", "/segment"} {
		p, c := through(t, aliasOf(t, far.URL), nil)
		if resp, body := get(t, c, far.URL+path); resp.StatusCode != http.StatusBadGateway || p.blocked() == nil {
			t.Errorf("%s: %s %.60q %v", path, resp.Status, body, p.blocked())
		}
	}
	p, c := through(t, aliasOf(t, far.URL), nil)
	if resp, _ := get(t, c, "http://10.1.2.3/"); resp.StatusCode != http.StatusBadGateway || p.blocked() == nil {
		t.Errorf("past the guard: %s", resp.Status)
	}
	at, _ := url.Parse(p.URL)
	conn, err := net.Dial("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	req := &http.Request{Method: http.MethodGet, URL: &url.URL{}, Header: http.Header{}}
	password, _ := at.User.Password()
	req.SetBasicAuth("ffmpeg", password)
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\n", far.Listener.Addr(), req.Header.Get("Authorization"))
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("CONNECT: %v %v", resp, err)
	}
}

// What is cut off is told, unless more comes or nobody has wanted the rest.
func TestAnswersThatAreCutOffAreNoticed(t *testing.T) {
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/list":
			fmt.Fprint(w, "#EXTM3U\n")
		case "/whole":
			fmt.Fprint(w, strings.Repeat("x", 1<<20))
		case "/length":
			w.Header().Set("Content-Length", "1000000")
			fmt.Fprint(w, strings.Repeat("x", 500_000))
		case "/chunks":
			fmt.Fprint(w, strings.Repeat("x", 500_000))
			panic(http.ErrAbortHandler)
		case "/endless":
			for r.Context().Err() == nil {
				fmt.Fprint(w, strings.Repeat("x", 1<<20))
			}
		}
	}))
	defer far.Close()
	p, c := through(t, aliasOf(t, far.URL), nil)
	for _, tc := range []struct {
		path string
		want error
	}{
		{"/whole", nil}, {"/length", errCut}, {"/whole", nil}, {"/chunks", errCut}, {"/list", nil}, {"/chunks", errCut},
	} {
		resp, err := c.Get(far.URL + tc.path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if (err != nil) != (tc.want != nil) || p.broken() != tc.want {
			t.Errorf("%s: %v, then %v", tc.path, err, p.broken())
		}
	}
	p, c = through(t, aliasOf(t, far.URL), nil)
	resp, err := c.Get(far.URL + "/endless")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close() // in the middle
	if _, _ = get(t, c, far.URL+"/list"); p.broken() != nil {
		t.Error("a child that leaves is a source that broke")
	}
}

func TestPlaylistsAreRewritten(t *testing.T) {
	const list = "#EXTM3U\r\n#EXT-X-KEY:METHOD=AES-128,URI=\"https://k.example/k?URI=1\",IV=0x1\n" +
		"#EXT-X-MAP:URI=\"init.mp4\"\n# https://comment.example\n#EXTINF:1,https title\nhttps://c.example:8443/a.ts?x=\"y\"\n\n" +
		"#EXTINF:1,\n//d.example/b.ts\nc.ts\nhttp://e.example/d.ts\n"
	const want = "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"http://k.example.s.invalid/k?URI=1\",IV=0x1\n" +
		"#EXT-X-MAP:URI=\"init.mp4\"\n# https://comment.example\n#EXTINF:1,https title\nhttp://c.example.s.invalid:8443/a.ts?x=\"y\"\n\n" +
		"#EXTINF:1,\nhttp://d.example.s.invalid/b.ts\nc.ts\nhttp://e.example/d.ts\n"
	if got, err := rewritePlaylist(strings.NewReader(list), "https"); err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}

// One that refers to what is not fetched again and again is refused by the first.
func TestPlaylistIsRefusedInFewWords(t *testing.T) {
	list := "#EXTM3U\n#EXT-X-MAP:" + strings.Repeat("URI=file:,", 2000)
	if _, err := rewritePlaylist(strings.NewReader(list), "https"); err == nil || len(err.Error()) > 200 {
		t.Errorf("%.500v", err)
	}
}

// pull has a child read a URL to its end, and returns how many tags came.
func pull(t *testing.T, p *Puller, raw string) (tags int, err error) {
	t.Helper()
	in, source, err := p.input(t.Context(), raw)
	if err != nil {
		return 0, err
	}
	if source != nil {
		px, err := newProxy(p.Guard, source, p.roots)
		if err != nil {
			t.Fatal(err)
		}
		defer px.Close()
		in.Proxy = px.URL
	}
	child, err := ffmpeg.Open("", in, nil)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	defer child.Close()
	defer child.Kill()
	for ; ; tags++ {
		if _, _, _, err := child.Next(); err == io.EOF {
			return tags, nil
		} else if err != nil {
			return tags, err
		}
	}
}

func segments(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-f", "lavfi", "-i", "sine=440:r=44100", "-t", "3",
		"-c:a", "aac", "-hls_time", "1", "-hls_list_size", "0", filepath.Join(dir, "a.m3u8")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestHLSIsFetchedByHTTPSWithCredentialsAfterARedirect(t *testing.T) {
	if _, err := ffmpeg.Find(""); err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	dir := t.TempDir()
	segments(t, dir)
	files := http.FileServer(http.Dir(dir))
	var fetched sync.Map
	far := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "camera" || password != "hunter22" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.URL.Path == "/live.m3u8" && r.URL.RawQuery == "t=1" {
			http.Redirect(w, r, "https://"+r.Host+"/in/a.m3u8", http.StatusFound)
			return
		}
		fetched.Store(r.URL.Path, true)
		http.StripPrefix("/in", files).ServeHTTP(w, r)
	}))
	defer far.Close()
	p := &Puller{Guard: only, roots: roots(far)}
	tags, err := pull(t, p, strings.Replace(far.URL, "https://", "https://camera:hunter22@", 1)+"/live.m3u8?t=1")
	if err != nil || tags < 120 {
		t.Errorf("%d tags, %v", tags, err)
	}
	_, err = pull(t, p, far.URL+"/live.m3u8?t=1")
	if text := fmt.Sprint(tell(err)); err == nil || !strings.Contains(text, far.URL) || strings.Contains(text, "invalid") {
		t.Errorf("without credentials: %q", text)
	}
	if _, ok := fetched.Load("/in/a2.ts"); !ok {
		t.Error("the last segment was not fetched")
	}
}

// A child opens no connection but to the proxy, whatever it reads: here nobody looks at
// its playlists, to see what ffmpeg itself would do.
func TestAChildHasNoWayPastTheProxy(t *testing.T) {
	trap, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hit := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := trap.Accept(); err == nil {
			c.Close()
			close(hit)
		}
	}()
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s://%s/10.1.2.3:80/x.ts\n#EXT-X-ENDLIST\n", r.URL.Query().Get("by"), trap.Addr())
	}))
	defer far.Close()
	for _, by := range []string{"httpproxy", "https", "tls", "tcp", "crypto+httpproxy", "http+httpproxy"} {
		in := ffmpeg.Input{URL: far.URL + "/a.m3u8?by=" + by}
		child, err := ffmpeg.Open("", in, nil)
		if err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
		for err == nil {
			_, _, _, err = child.Next()
		}
		child.Close()
		select {
		case <-hit:
			t.Fatalf("%s: a connection past the proxy", by)
		default:
		}
	}
	trap.Close()
	<-done
}
