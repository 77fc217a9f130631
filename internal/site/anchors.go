package site

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
)

// anchors names the headings of a page as GitHub does, so that a link to one works
// there and here: lower case, spaces are hyphens, punctuation is left out, and what
// comes twice is numbered.
type anchors struct {
	taken map[string]bool
}

func newAnchors() *anchors { return &anchors{make(map[string]bool)} }

// Generate returns the anchor of a heading; it implements goldmark's parser.IDs.
func (a *anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(string(value))) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	base := b.String()
	id := base
	for n := 1; a.taken[id]; n++ {
		id = base + "-" + strconv.Itoa(n)
	}
	a.taken[id] = true
	return []byte(id)
}

// Put notes an anchor that is written in the page; it implements goldmark's parser.IDs.
func (a *anchors) Put(value []byte) { a.taken[string(value)] = true }
