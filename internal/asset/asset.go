package asset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Values of Cache-Control.
const (
	// Immutable is for files with a hash of their content in their name.
	Immutable = "public, max-age=31536000, immutable"
	// Revalidate is for all others: asked for again each time, and answered by ETag.
	Revalidate = "no-cache"
)

// Asset is one file, ready to be sent.
type Asset struct {
	// immutable
	contentType  string
	cacheControl string
	etag         string // of body; the zipped form has one of its own
	body         []byte
	// zipped is body in gzip, made at the first request for it; nil when that is
	// not smaller.
	zipped func() []byte
}

// New returns the file of that name, of which only the extension counts.
func New(name, cacheControl string, body []byte) *Asset {
	sum := sha256.Sum256(body)
	return &Asset{
		contentType:  contentType(name),
		cacheControl: cacheControl,
		etag:         base64.RawURLEncoding.EncodeToString(sum[:12]),
		body:         body,
		zipped:       sync.OnceValue(func() []byte { return compress(body) }),
	}
}

// Body returns the content, which must not be changed.
func (a *Asset) Body() []byte { return a.body }

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
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".md", ".txt", ".yaml":
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
		panic("BUG: asset: " + err.Error()) // the level is a constant
	}
	// Writes to a bytes.Buffer do not fail.
	_, _ = w.Write(body)
	_ = w.Close()
	if b.Len() >= len(body) {
		return nil
	}
	return b.Bytes()
}

// ServeHTTP answers GET and HEAD with the file.
func (a *Asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
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
