package site

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// repository is where files are that the documentation names and does not hold.
const repository = "https://github.com/rollcall-rtc/rollcall/"

// page is one Markdown file, read and made HTML.
type page struct {
	// immutable
	name     string // path in docs
	title    string
	source   []byte
	tree     ast.Node
	body     []byte // HTML
	sections []section
	links    []reference
	pages    map[*ast.Link]string // those that lead to pages, with the page
}

// section is a heading and what is below it, up to the next one.
type section struct {
	Level  int
	Title  string
	Anchor string
	text   string
}

// reference is a link of a page, as its author wrote it.
type reference struct {
	written  string
	name     string // path from docs; it may begin with ../
	fragment string
}

// markdown reads what GitHub reads, with its anchors, and writes no inline style.
var markdown = sync.OnceValue(func() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(
			extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)),
			extension.Strikethrough, extension.Linkify, extension.TaskList,
		),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(html.WithUnsafe(), renderer.WithNodeRenderers(util.Prioritized(codeRenderer{}, 100))),
	)
})

// emptyHeader is the header of a column that needs none: to those who hear a page,
// a cell.
var emptyHeader = regexp.MustCompile(`<th( [^>]*)?></th>`)

func readPage(name string, source []byte) *page {
	p := &page{name: name, title: name, source: source, pages: make(map[*ast.Link]string)}
	p.tree = markdown().Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(newAnchors()))))
	p.readSections()
	_ = ast.Walk(p.tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			n.Destination = p.rewrite(n, string(n.Destination))
		case *ast.Image:
			n.Destination = p.rewrite(nil, string(n.Destination))
			n.SetAttributeString("loading", []byte("lazy"))
		}
		return ast.WalkContinue, nil
	})
	var b bytes.Buffer
	if err := markdown().Renderer().Render(&b, source, p.tree); err != nil {
		panic("BUG: site: render into a buffer: " + err.Error()) // no renderer of ours fails
	}
	p.body = emptyHeader.ReplaceAll(b.Bytes(), []byte("<td></td>"))
	return p
}

// rewrite notes a destination, and returns what it is on the site.
func (p *page) rewrite(l *ast.Link, written string) []byte {
	name, fragment, inside := p.resolve(written)
	if name == "" {
		return []byte(written) // on another host
	}
	p.links = append(p.links, reference{written, name, fragment})
	switch {
	case strings.HasPrefix(written, "#"):
		return []byte(written)
	case !inside:
		kind := "blob/main/"
		if strings.HasSuffix(written, "/") {
			kind = "tree/main/"
		}
		return []byte(repository + kind + strings.TrimPrefix(name, "../"))
	}
	if path.Ext(name) == ".md" {
		if l != nil {
			p.pages[l] = name
		}
		name = htmlName(name)
	}
	if fragment != "" {
		name += "#" + fragment
	}
	return []byte(p.root() + name)
}

// resolve returns the path from docs of a destination, "" if it is on another host,
// and whether that is in docs.
func (p *page) resolve(written string) (name, fragment string, inside bool) {
	target, fragment, _ := strings.Cut(written, "#")
	if strings.Contains(target, ":") {
		return "", "", false
	}
	if target == "" {
		return p.name, fragment, true
	}
	name = path.Join(path.Dir(p.name), target)
	return name, fragment, !strings.HasPrefix(name, "../")
}

// root leads from the page to the top of the site.
func (p *page) root() string { return strings.Repeat("../", strings.Count(p.name, "/")) }

// contents are the headings that are shown beside the page.
func (p *page) contents() []section {
	var shown []section
	for _, s := range p.sections {
		if s.Level == 2 || s.Level == 3 {
			shown = append(shown, s)
		}
	}
	return shown
}

func (p *page) readSections() {
	current := -1
	for n := p.tree.FirstChild(); n != nil; n = n.NextSibling() {
		h, is := n.(*ast.Heading)
		if !is {
			if current >= 0 {
				p.sections[current].text = strings.TrimSpace(p.sections[current].text + " " + readable(n, p.source))
			}
			continue
		}
		anchor, _ := h.AttributeString("id")
		id, _ := anchor.([]byte)
		s := section{Level: h.Level, Title: plain(h, p.source), Anchor: string(id)}
		if len(p.sections) == 0 {
			p.title = s.Title
		}
		p.sections = append(p.sections, s)
		current++
	}
}

// plain is the text of a node without its markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// readable is what a reader sees of a block, on one line: for search.
func readable(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.FencedCodeBlock:
			// Samples of events are long, and all alike.
			if string(n.Language(source)) != "json" {
				b.Write(n.Lines().Value(source))
			}
			return ast.WalkSkipChildren, nil
		case *ast.CodeBlock:
			b.Write(n.Lines().Value(source))
			b.WriteByte(' ')
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if next := n.NextSibling(); next == nil || n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(source))
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(b.String()), " ")
}
