package web

import (
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/rollcall-rtc/rollcall/internal/asset"
)

// page serves the assets by URL path.
type page struct {
	assets map[string]*asset.Asset // immutable
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
	p := &page{assets: make(map[string]*asset.Asset)}
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
		p.assets["/"+strings.TrimPrefix(name, "dist/")] = asset.New(name, caching(name), body)
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

// caching is the Cache-Control of a file: names under assets/ hold a hash of their
// content.
func caching(name string) string {
	if strings.HasPrefix(name, "dist/assets/") {
		return asset.Immutable
	}
	return asset.Revalidate
}

// ServeHTTP answers with the asset of the path.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
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
	a.ServeHTTP(w, r)
}
