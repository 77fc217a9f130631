package site

import "github.com/yuin/goldmark/ast"

// group is a heading of the table of contents with the pages below it.
type group struct {
	Title   string
	Entries []entry
}

type entry struct {
	Text string
	name string // the page's path in docs
}

// readMenu takes the menu from the front page: each heading of the second level,
// and the first link of each item of the lists below it, if that leads to a page.
func readMenu(front *page) []group {
	var menu []group
	for n := front.tree.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 2 {
				menu = append(menu, group{Title: plain(n, front.source)})
			}
		case *ast.List:
			if len(menu) == 0 {
				continue
			}
			g := &menu[len(menu)-1]
			for item := n.FirstChild(); item != nil; item = item.NextSibling() {
				if l := firstLink(item); l != nil && front.pages[l] != "" {
					g.Entries = append(g.Entries, entry{plain(l, front.source), front.pages[l]})
				}
			}
		}
	}
	kept := menu[:0]
	for _, g := range menu {
		if len(g.Entries) > 0 {
			kept = append(kept, g)
		}
	}
	return kept
}

func firstLink(n ast.Node) *ast.Link {
	var found *ast.Link
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if l, is := n.(*ast.Link); is && entering {
			found = l
			return ast.WalkStop, nil
		}
		return ast.WalkContinue, nil
	})
	return found
}
