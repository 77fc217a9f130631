package source

import (
	"net/url"
	"strings"
	"testing"
)

// Whatever a playlist says, what a child gets of it names no URL but of http:.
func FuzzRewritePlaylist(f *testing.F) {
	f.Add("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"https://k.example/k\"\n#EXTINF:1,\n//a.example/b\nhttps://[::1]:1/c\n")
	f.Add("#EXTM3U\n#EXT-X-MAP:URI=tcp://10.1.2.3:80,URI=\"\n httpproxy://a/b\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		once, err := rewritePlaylist(strings.NewReader(text), "https")
		if err != nil {
			return
		}
		for line := range strings.Lines(string(once)) {
			if m := absolute.FindStringSubmatch(line); m != nil && m[1] != "http" {
				t.Errorf("%q", line)
			}
		}
	})
}

// An alias comes back as the URL that it stands for.
func FuzzAlias(f *testing.F) {
	f.Add("https://u:p@a.example:8443/b?c=d")
	f.Add("https://[2001:db8::1]/")
	f.Fuzz(func(t *testing.T, raw string) {
		want, err := url.Parse(raw)
		if err != nil || want.Scheme != "https" && want.Scheme != "http" || want.Hostname() == "" || strings.Contains(want.Host, "invalid") {
			return
		}
		a, err := newAlias(want)
		if err != nil {
			return
		}
		got, err := url.Parse(a.url)
		if err != nil || got.Scheme != "http" || got.User != nil {
			t.Fatalf("%q: %q %v", raw, a.url, err)
		}
		a.restore(got)
		if got.Scheme != want.Scheme || got.RawQuery != want.RawQuery || got.EscapedPath() != want.EscapedPath() && want.Path != "" {
			t.Errorf("%q comes back as %q", raw, got)
		}
	})
}
