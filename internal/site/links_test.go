package site

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-rtc/rollcall/docs"
)

const checkout = "../.."

// repositoryPages are all Markdown files of the repository, by path in it.
func repositoryPages(t *testing.T) map[string]*page {
	t.Helper()
	others := []string{".git", "node_modules", "dist", "out", "bin", "rollcall-data", "testdata"}
	pages := make(map[string]*page)
	err := filepath.WalkDir(checkout, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(others, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(file) != ".md":
			return nil
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(checkout, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		pages[name] = readPage(name, content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func TestEveryLinkOfTheRepositoryLeadsSomewhere(t *testing.T) {
	pages := repositoryPages(t)
	checked := 0
	for name, p := range pages {
		for _, l := range p.links {
			checked++
			if strings.HasPrefix(l.name, "../") {
				t.Errorf("%s: %s leads out of the repository", name, l.written)
				continue
			}
			if _, err := os.Stat(filepath.Join(checkout, filepath.FromSlash(l.name))); err != nil {
				t.Errorf("%s: %s is not there", name, l.written)
				continue
			}
			if l.fragment != "" && path.Ext(l.name) == ".md" && !pages[l.name].has(l.fragment) {
				t.Errorf("%s: %s: no heading there has this anchor", name, l.written)
			}
		}
	}
	if len(pages) < 30 || checked < 100 {
		t.Errorf("%d pages with %d links were looked at", len(pages), checked)
	}
}

func (p *page) has(anchor string) bool {
	return slices.ContainsFunc(p.sections, func(s section) bool { return s.Anchor == anchor })
}

// What links, files and anchors are on the site is judged by what it serves.
func TestEveryLinkOfTheSiteLeadsSomewhere(t *testing.T) {
	s := documentation(t)
	for name, content := range s.files {
		if path.Ext(name) != ".html" {
			continue
		}
		for _, m := range addresses.FindAllStringSubmatch(string(content), -1) {
			target, fragment, _ := strings.Cut(m[1], "#")
			if strings.HasPrefix(target, "https://") || strings.HasPrefix(target, "http://localhost") {
				continue
			}
			to := name
			if target != "" {
				to = path.Join(path.Dir(name), target)
			}
			there, is := s.files[to]
			if !is {
				t.Errorf("%s: %s is not there", name, m[1])
			} else if fragment != "" && !strings.Contains(string(there), `id="`+fragment+`"`) {
				t.Errorf("%s: %s: there is no such anchor", name, m[1])
			}
		}
	}
}

func TestEveryPageIsReachedFromTheContents(t *testing.T) {
	s := documentation(t)
	reached := map[string]bool{index: true}
	for next := []string{index}; len(next) > 0; {
		p := s.pages[slices.IndexFunc(s.pages, func(p *page) bool { return p.name == next[0] })]
		next = next[1:]
		for _, name := range p.pages {
			if !reached[name] {
				reached[name] = true
				next = append(next, name)
			}
		}
	}
	var menu []string
	for _, g := range readMenu(s.pages[0]) {
		for _, e := range g.Entries {
			menu = append(menu, e.name)
		}
	}
	for _, p := range s.pages {
		switch top := !strings.HasPrefix(p.name, "adr/") || p.name == "adr/"+index; {
		case top && p.name != index && !slices.Contains(menu, p.name):
			t.Errorf("docs/%s is not in the menu: name it in a list of docs/README.md", p.name)
		case !reached[p.name]:
			t.Errorf("no page leads to docs/%s: name it in docs/adr/README.md", p.name)
		}
	}
}

func documentation(t *testing.T) *Site {
	t.Helper()
	s, err := New(docs.Files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
