package site

import (
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/asset"
)

// policy lets a page load from this host, run its own two scripts, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// handler serves the site below /docs/.
type handler struct {
	assets func() map[string]*asset.Asset // made at the first call
}

// Handler returns the handler of /docs and all below it. The pages are made of docs
// at the first request; docs is compiled in, and a test makes a site of it.
func Handler(docs fs.FS) http.Handler {
	return &handler{sync.OnceValue(func() map[string]*asset.Asset {
		s, err := New(docs)
		if err != nil {
			panic(fmt.Sprintf("BUG: site: %v", err))
		}
		assets := make(map[string]*asset.Asset, len(s.files))
		for name, content := range s.files {
			assets[name] = asset.New(name, asset.Revalidate, content)
		}
		return assets
	})}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name, below := strings.CutPrefix(r.URL.Path, "/docs/")
	if !below {
		http.Redirect(w, r, "/docs/", http.StatusMovedPermanently)
		return
	}
	assets := h.assets()
	if name == "" || strings.HasSuffix(name, "/") {
		name += indexHTML
	}
	a := assets[name]
	if a == nil {
		// As people write them, and as they are called in the repository.
		for _, other := range []string{name + ".html", htmlName(name), name + "/" + indexHTML} {
			if assets[other] != nil && path.Clean(other) == other {
				http.Redirect(w, r, "/docs/"+other, http.StatusMovedPermanently)
				return
			}
		}
		http.Error(w, "there is no such page; /docs/ has the contents", http.StatusNotFound)
		return
	}
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	a.ServeHTTP(w, r)
}
