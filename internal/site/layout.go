package site

import (
	"html"
	"strings"
)

// fill puts a page into the layout. It does without html/template: that calls methods
// by name, for which the linker would have to keep every method of the whole server,
// a fifth of its size.
func fill(layout string, p *page, menu []group, before, after *page) string {
	title := p.title
	if p.name != index {
		title += " · Rollcall"
	}
	small := ""
	if len(p.contents()) > 2 {
		small = `<details class="contents-small"><summary>On this page</summary>` + contentsList(p) + `</details>`
	}
	beside := ""
	if len(p.contents()) > 0 {
		beside = `<nav aria-label="On this page"><p>On this page</p>` + contentsList(p) + `</nav>`
	}
	return strings.NewReplacer(
		"{title}", html.EscapeString(title),
		"{root}", p.root(),
		"{menu}", menuList(p, menu),
		"{contents-small}", small,
		"{contents}", beside,
		"{around}", neighbour(p, before, "prev", "Before")+neighbour(p, after, "next", "Next"),
		"{source}", html.EscapeString(repository+"blob/main/docs/"+p.name),
		"{body}", string(p.body),
	).Replace(layout)
}

// tag is an element with one attribute and text.
func tag(name, attribute, value, text string) string {
	return "<" + name + " " + attribute + `="` + html.EscapeString(value) + `">` + html.EscapeString(text) + "</" + name + ">"
}

func contentsList(p *page) string {
	var b strings.Builder
	b.WriteString("<ul>")
	for _, s := range p.contents() {
		class := "level-2"
		if s.Level == 3 {
			class = "level-3"
		}
		b.WriteString(`<li class="` + class + `">` + tag("a", "href", "#"+s.Anchor, s.Title) + "</li>")
	}
	b.WriteString("</ul>")
	return b.String()
}

func menuList(p *page, menu []group) string {
	var b strings.Builder
	b.WriteString(`<nav aria-label="Documentation">`)
	for _, g := range menu {
		b.WriteString("<p>" + html.EscapeString(g.Title) + "</p><ul>")
		for _, e := range g.Entries {
			a := tag("a", "href", p.root()+htmlName(e.name), e.Text)
			if e.name == p.name {
				a = strings.Replace(a, "<a ", `<a aria-current="page" `, 1)
			}
			b.WriteString("<li>" + a + "</li>")
		}
		b.WriteString("</ul>")
	}
	b.WriteString("</nav>")
	return b.String()
}

func neighbour(p, other *page, rel, text string) string {
	if other == nil {
		return ""
	}
	return `<a rel="` + rel + `" href="` + html.EscapeString(p.root()+htmlName(other.name)) + `"><span>` + text + "</span>" +
		html.EscapeString(other.title) + "</a>"
}
