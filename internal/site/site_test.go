package site

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-rtc/rollcall/docs"
)

var addresses = regexp.MustCompile(`(?:href|src)="([^"]*)"`)

// The policy forbids inline scripts and styles, and other hosts.
func TestPagesKeepToTheirPolicy(t *testing.T) {
	s := documentation(t)
	for name, content := range s.files {
		if path.Ext(name) != ".html" {
			continue
		}
		for _, unwanted := range []string{`<style`, ` style="`, ` onclick=`, `src="http`, `src="//`, `<iframe`, `javascript:`} {
			if bytes.Contains(content, []byte(unwanted)) {
				t.Errorf("%s has %s", name, unwanted)
			}
		}
		for _, m := range regexp.MustCompile(`<script[^>]*>([^<]*)`).FindAllSubmatch(content, -1) {
			if len(bytes.TrimSpace(m[1])) > 0 {
				t.Errorf("%s has an inline script: %s", name, m[0])
			}
		}
	}
}

func TestDocumentationStaysSmall(t *testing.T) {
	const most = 3 << 20
	size := 0
	err := fs.WalkDir(docs.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		size += int(info.Size())
		return err
	})
	if err != nil || size > most {
		t.Errorf("docs adds %d bytes to the server, more than %d: %v", size, most, err)
	}
}

func get(t *testing.T, h http.Handler, method, target string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w.Result()
}

func TestHandlerServesPagesByTheNamesPeopleUse(t *testing.T) {
	h := Handler(docs.Files)
	for _, c := range []struct {
		method, target string
		status         int
		location       string
	}{
		{"GET", "/docs", 301, "/docs/"},
		{"GET", "/docs/", 200, ""},
		{"HEAD", "/docs/", 200, ""},
		{"GET", "/docs/webhooks.html", 200, ""},
		{"GET", "/docs/webhooks", 301, "/docs/webhooks.html"},
		{"GET", "/docs/webhooks.md", 301, "/docs/webhooks.html"},
		{"GET", "/docs/adr", 301, "/docs/adr/index.html"},
		{"GET", "/docs/adr/", 200, ""},
		{"GET", "/docs/adr/README.md", 301, "/docs/adr/index.html"},
		{"GET", "/docs/openapi.yaml", 200, ""},
		{"GET", "/docs/_site/search.json", 200, ""},
		{"GET", "/docs/no-such-page", 404, ""},
		{"GET", "/docs/doc.go", 404, ""},
		{"GET", "/docs/../rollcall.yaml", 404, ""},
		{"GET", "/docs//example.org", 404, ""},
		{"POST", "/docs/", 405, ""},
	} {
		r := get(t, h, c.method, c.target)
		if r.StatusCode != c.status || r.Header.Get("Location") != c.location {
			t.Errorf("%s %s: %d to %q, want %d to %q", c.method, c.target, r.StatusCode, r.Header.Get("Location"), c.status, c.location)
		}
	}
	if got := get(t, h, "GET", "/docs/webhooks.html").Header.Get("Content-Security-Policy"); got != policy || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", got)
	}
}

func TestWhatIsWrittenIsWhatIsServed(t *testing.T) {
	s := documentation(t)
	dir := filepath.Join(t.TempDir(), "site")
	if err := s.Write(dir); err != nil {
		t.Fatal(err)
	}
	h := Handler(docs.Files)
	for name := range s.files {
		written, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
			continue
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/docs/"+name, nil))
		if !bytes.Equal(w.Body.Bytes(), written) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestMenuIsTheListsOfTheFrontPage(t *testing.T) {
	s, err := New(fstest.MapFS{
		"README.md":       {Data: []byte("# Top\n\n- [Not in the menu](loose.md)\n\n## Begin\n\n- [First](a.md): and [another](sub/c.md).\n- [Elsewhere](https://example.org)\n\n## Empty\n\ntext\n\n## More\n\n- [Sub](sub/README.md)\n")},
		"a.md":            {Data: []byte("# A & b\n\n## One\n\nword\n\n## One\n\n[up](../LICENSE) [in](../web/) [sub](sub/c.md#two--three)\n")},
		"loose.md":        {Data: []byte("# Loose\n")},
		"sub/README.md":   {Data: []byte("# Sub\n\n[a](../a.md#one-1) ![picture](../images/x.png)\n")},
		"sub/c.md":        {Data: []byte("# C\n\n## Two & three\n")},
		"images/x.png":    {Data: []byte("png")},
		"embed.go":        {Data: []byte("package docs\n")},
		"sub/sample.yaml": {Data: []byte("a: 1\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []group{
		{Title: "Begin", Entries: []entry{{"First", "a.md"}}},
		{Title: "More", Entries: []entry{{"Sub", "sub/README.md"}}},
	}
	if diff := cmp.Diff(want, readMenu(s.pages[0]), cmp.AllowUnexported(entry{})); diff != "" {
		t.Errorf("menu (-want +got):\n%s", diff)
	}
	for name, parts := range map[string][]string{
		"a.html": {
			`<title>A &amp; b · Rollcall</title>`, `id="one-1"`, `href="https://github.com/rollcall-rtc/rollcall/blob/main/LICENSE"`,
			`href="https://github.com/rollcall-rtc/rollcall/tree/main/web"`, `href="sub/c.html#two--three"`, `<a aria-current="page" href="a.html">First</a>`, `<a rel="next" href="sub/index.html">`,
		},
		"sub/index.html": {`href="../a.html#one-1"`, `src="../images/x.png"`, `href="../_site/style.css"`, `<a rel="prev" href="../a.html">`},
		"sub/c.html":     {`id="two--three"`},
	} {
		for _, part := range parts {
			if !strings.Contains(string(s.files[name]), part) {
				t.Errorf("%s lacks %s:\n%s", name, part, s.files[name])
			}
		}
	}
	if strings.Contains(string(s.files["sub/c.html"]), `rel="prev"`) || s.files["embed.go"] != nil || string(s.files["sub/sample.yaml"]) != "a: 1\n" {
		t.Error("a page beside the menu has neighbours, or files are not what they should be")
	}
}

func TestSiteWithoutContentsIsAnError(t *testing.T) {
	if _, err := New(fstest.MapFS{"a.md": {Data: []byte("# A\n")}}); err == nil {
		t.Error("no error")
	}
}

func TestCodeIsMarkedAndEscaped(t *testing.T) {
	for _, c := range []struct{ language, code, want string }{
		{"go", "if a < b { // \"no\" string\n", `<span class="k">if</span> a &lt; b { <span class="c">// &#34;no&#34; string</span>` + "\n"},
		{"sh", "echo 'a # b' # c", `echo <span class="s">&#39;a # b&#39;</span><span class="c"> # c</span>`},
		{"sh", "a#b", "a#b"},
		{"tsx", "return <b>{`x`}</b>", `<span class="k">return</span> &lt;b&gt;{<span class="s">` + "`x`" + `</span>}&lt;/b&gt;`},
		{"yaml", "a_b: 1 # c", `<span class="k">a_b:</span> 1<span class="c"> # c</span>`},
		{"python", "def f(): # <", `<span class="k">def</span> f(): <span class="c"># &lt;</span>`},
		{"unheard-of", "<if>", "&lt;if&gt;"},
	} {
		if got := highlight(c.language, c.code); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.language, got, c.want)
		}
	}
}

func TestSearchIndexHasEverySection(t *testing.T) {
	p := readPage("sub/a.md", []byte("# Title\n\nlead `code` and *more*\n\n## Head\n\n| a | b |\n|---|---|\n| cell | other |\n\n```json\n{\"long\": 1}\n```\n\n```sh\nrun it\n```\n"))
	want := []found{
		{Page: "sub/a.html", Title: "Title", Text: "lead code and more"},
		{Page: "sub/a.html", Title: "Title", Heading: "Head", Anchor: "head", Text: "a b cell other run it"},
	}
	if diff := cmp.Diff(want, searchIndex([]*page{p})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
