package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

const (
	// Names under assets/ hold a hash of their content.
	cacheHashed = "public, max-age=31536000, immutable"
	// All else is asked for again each time, and answered by ETag.
	cacheRevalidate = "no-cache"
)

// asset is one file of the page, ready to be sent.
type asset struct {
	// immutable
	contentType  string
	cacheControl string
	etag         string // of body; the zipped form has one of its own
	body         []byte
	// zipped is body in gzip, made at the first request for it; nil when that is
	// not smaller.
	zipped func() []byte
}

// page serves the assets by URL path.
type page struct {
	assets map[string]*asset // immutable
}

// dashboard is the path of the dashboard, which finds out itself what a path below
// it shows.
const dashboard = "/dashboard"

// Handler returns the handler of the pages: GET and HEAD of /, of /dashboard and
// what is below it, and of the files that the pages are made of; 404 for every
// other path. It may be mounted at / or at the single paths.
func Handler() http.Handler {
	p, err := newPage(dist)
	if err != nil {
		// dist is compiled in: only our own build can be at fault.
		panic(fmt.Sprintf("BUG: web: %v", err))
	}
	return p
}

func newPage(fsys fs.FS) (*page, error) {
	p := &page{assets: make(map[string]*asset)}
	err := fs.WalkDir(fsys, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") {
			return nil // the build's record, not the page's
		}
		body, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		p.assets["/"+strings.TrimPrefix(name, "dist/")] = newAsset(name, body)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	index, ok := p.assets["/index.html"]
	if !ok {
		return nil, fmt.Errorf("read assets: %w", fs.ErrNotExist)
	}
	p.assets["/"] = index
	if p.assets[dashboard], ok = p.assets[dashboard+"/index.html"]; !ok {
		return nil, fmt.Errorf("read assets of %s: %w", dashboard, fs.ErrNotExist)
	}
	return p, nil
}

func newAsset(name string, body []byte) *asset {
	sum := sha256.Sum256(body)
	a := &asset{
		contentType:  contentType(name),
		cacheControl: cacheRevalidate,
		etag:         base64.RawURLEncoding.EncodeToString(sum[:12]),
		body:         body,
	}
	if strings.HasPrefix(name, "dist/assets/") {
		a.cacheControl = cacheHashed
	}
	a.zipped = sync.OnceValue(func() []byte { return compress(body) })
	return a
}

// contentType does not ask the machine's own table of types, which may differ
// from one machine to the next.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".md", ".txt":
		return "text/plain; charset=utf-8"
	default:
		if t := mime.TypeByExtension(path.Ext(name)); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic("BUG: web: " + err.Error()) // the level is a constant
	}
	// Writes to a bytes.Buffer do not fail.
	_, _ = w.Write(body)
	_ = w.Close()
	if b.Len() >= len(body) {
		return nil
	}
	return b.Bytes()
}

// ServeHTTP answers with the asset of the path.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	a, ok := p.assets[r.URL.Path]
	if !ok && strings.HasPrefix(r.URL.Path, dashboard+"/") {
		a, ok = p.assets[dashboard]
	}
	if !ok {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	h.Set("Content-Security-Policy", contentSecurityPolicy(r.Host))
	h.Set("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self), geolocation=()")
	// The address may name a room; events are read with a token in the query.
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", a.cacheControl)
	h.Add("Vary", "Accept-Encoding")

	body, etag := a.body, `"`+a.etag+`"`
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		if zipped := a.zipped(); zipped != nil {
			// RFC 9110 §8.8.3.3: each encoding is a representation of its own.
			body, etag = zipped, `"`+a.etag+`-gz"`
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", etag)
	if matchesETag(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Type")
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // a client that is gone needs no answer
}

// acceptsGzip reads Accept-Encoding (RFC 9110 §12.5.3) as far as it matters here.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "*" {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if !found {
			return true
		}
		weight, err := strconv.ParseFloat(q, 64)
		return err == nil && weight > 0
	}
	return false
}

// matchesETag reads If-None-Match (RFC 9110 §13.1.2), by weak comparison.
func matchesETag(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == etag {
			return true
		}
	}
	return false
}
