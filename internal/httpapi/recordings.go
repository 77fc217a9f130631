package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// linkLife is how long a link to a file holds: long enough to watch it.
const linkLife = 6 * time.Hour

// recordingAPI serves the files of recordings that are on this server, and what can
// be recorded. A file is served in ranges, so that a browser can jump in it; a
// browser's player cannot say who asks, so there are links that are signed for one
// file and a time.
type recordingAPI struct {
	egress Egress
	auth   authenticator
}

func (h *recordingAPI) routes() []route {
	return []route{
		{"GET", "/capabilities", h.capabilities},
		{"GET", "/recordings/{id}/{file}", h.serve},
		{"POST", "/recordings/{id}/{file}/link", h.link},
	}
}

func (h *recordingAPI) permit(r *http.Request) (*token.Claims, error) {
	claims, err := h.auth.bearer(r)
	if err != nil {
		return nil, err
	}
	return claims, claims.CanRecord()
}

func (h *recordingAPI) capabilities(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.permit(r); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, h.egress.Capabilities(r.Context()))
	return nil
}

// fileOf is the path of the file that a request names.
func (h *recordingAPI) fileOf(r *http.Request) (string, error) {
	n, err := strconv.Atoi(r.PathValue("file"))
	if err != nil {
		return "", notFound("files of a recording are numbered from 0")
	}
	return h.egress.File(r.PathValue("id"), n)
}

func (h *recordingAPI) serve(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("signature") {
		if !h.signed(r) {
			return problemf(http.StatusUnauthorized, "unauthenticated", "the link is not valid, or not any more")
		}
	} else if _, err := h.permit(r); err != nil {
		return err
	}
	path, err := h.fileOf(r)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return notFound("the file is not here any more")
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil || !stat.Mode().IsRegular() {
		return notFound("the file is not here any more")
	}
	header := w.Header()
	header.Set("Cache-Control", "private, no-store")
	// What is recorded is other people's: no page of this origin is to be made of it.
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; media-src 'self'; sandbox")
	header.Set("Content-Type", mediaType(path))
	if r.URL.Query().Has("download") {
		header.Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(filepath.Base(path)))
	}
	http.ServeContent(w, r, "", stat.ModTime(), f)
	return nil
}

// mediaType is that of a recording, by its extension.
func mediaType(path string) string {
	switch filepath.Ext(path) {
	case ".mp4":
		return "video/mp4"
	case ".webm":
		return "video/webm"
	case ".ogg":
		return "audio/ogg"
	case ".mp3":
		return "audio/mpeg"
	}
	return "application/octet-stream"
}

// linkJSON is an address that needs no token.
type linkJSON struct {
	URL   string    `json:"url"` // below this server
	Until time.Time `json:"until"`
}

func (h *recordingAPI) link(w http.ResponseWriter, r *http.Request) error {
	claims, err := h.permit(r)
	if err != nil {
		return err
	}
	if _, err := h.fileOf(r); err != nil {
		return err
	}
	until := time.Now().Add(linkLife).Truncate(time.Second)
	at := "/recordings/" + url.PathEscape(r.PathValue("id")) + "/" + url.PathEscape(r.PathValue("file"))
	query := url.Values{
		"key": {claims.APIKey}, "until": {strconv.FormatInt(until.Unix(), 10)},
		"signature": {h.sign(claims.APIKey, r.PathValue("id"), r.PathValue("file"), until.Unix())},
	}
	writeJSON(w, http.StatusOK, linkJSON{URL: at + "?" + query.Encode(), Until: until.UTC()})
	return nil
}

// signed says whether a request is by a link that holds.
func (h *recordingAPI) signed(r *http.Request) bool {
	q := r.URL.Query()
	until, err := strconv.ParseInt(q.Get("until"), 10, 64)
	if err != nil || time.Now().Unix() > until {
		return false
	}
	want := h.sign(q.Get("key"), r.PathValue("id"), r.PathValue("file"), until)
	return want != "" && hmac.Equal([]byte(want), []byte(q.Get("signature")))
}

// sign is the signature of a link by an API key; "" if there is no such key.
func (h *recordingAPI) sign(key, id, file string, until int64) string {
	secret, ok := h.auth.keys[key]
	if !ok || secret == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "rollcall recording\n%s\n%s\n%d", id, file, until)
	return hex.EncodeToString(mac.Sum(nil))
}
