package site

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Site is the finished site.
type Site struct {
	files map[string][]byte // immutable; by path, index.html at the top
	pages []*page           // immutable; as the menu has them, then those that it has not
}

// index is the page that is the table of contents, and its name on the site.
const (
	index     = "README.md"
	indexHTML = "index.html"
)

// New makes the site of the pages and other files in docs.
func New(docs fs.FS) (*Site, error) {
	s := &Site{files: make(map[string][]byte)}
	pages := make(map[string]*page)
	err := fs.WalkDir(docs, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(docs, name)
		if err != nil {
			return err
		}
		switch path.Ext(name) {
		case ".md":
			pages[name] = readPage(name, content)
		case ".go":
		default:
			s.files[name] = content
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the pages: %w", err)
	}
	front, ok := pages[index]
	if !ok {
		return nil, fmt.Errorf("read the pages: %s: %w", index, fs.ErrNotExist)
	}
	menu := readMenu(front)
	s.pages = order(pages, menu)
	if err := s.render(menu); err != nil {
		return nil, err
	}
	return s, nil
}

// order puts the pages in the order of the menu, the front page first.
func order(pages map[string]*page, menu []group) []*page {
	ordered := []*page{pages[index]}
	for _, g := range menu {
		for _, e := range g.Entries {
			if p := pages[e.name]; p != nil && !slices.Contains(ordered, p) {
				ordered = append(ordered, p)
			}
		}
	}
	var rest []*page
	for _, p := range pages {
		if !slices.Contains(ordered, p) {
			rest = append(rest, p)
		}
	}
	slices.SortFunc(rest, func(a, b *page) int { return strings.Compare(a.name, b.name) })
	return append(ordered, rest...)
}

// render makes the files of the site.
func (s *Site) render(menu []group) error {
	layout, err := static.ReadFile("static/page.html")
	if err != nil {
		return fmt.Errorf("read the layout: %w", err)
	}
	for i, p := range s.pages {
		before, after := s.around(i, inMenu(menu))
		s.files[htmlName(p.name)] = []byte(fill(string(layout), p, menu, before, after))
	}
	for _, name := range []string{"style.css", "theme.js", "site.js", "icon.svg"} {
		content, err := static.ReadFile("static/" + name)
		if err != nil {
			return fmt.Errorf("read the site's own files: %w", err)
		}
		s.files["_site/"+name] = content
	}
	found, err := json.Marshal(searchIndex(s.pages))
	if err != nil {
		return fmt.Errorf("make the index: %w", err)
	}
	s.files["_site/search.json"] = found
	return nil
}

// around are the pages before and after the one at i, as far as they are among the
// first n: decisions and the like, which the menu has not, have none.
func (s *Site) around(i, n int) (before, after *page) {
	if 0 < i && i < n {
		before = s.pages[i-1]
	}
	if i+1 < n {
		after = s.pages[i+1]
	}
	return before, after
}

// inMenu counts the front page and those of the menu.
func inMenu(menu []group) int {
	seen := map[string]bool{index: true}
	for _, g := range menu {
		for _, e := range g.Entries {
			seen[e.name] = true
		}
	}
	return len(seen)
}

// htmlName is the path on the site of a page's path in docs.
func htmlName(name string) string {
	dir, file := path.Split(name)
	if file == index {
		return dir + indexHTML
	}
	return strings.TrimSuffix(name, ".md") + ".html"
}

// Write puts the site's files into the directory, which need not be there.
func (s *Site) Write(dir string) error {
	for name, content := range s.files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("write the site: %w", err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return fmt.Errorf("write the site: %w", err)
		}
	}
	return nil
}
