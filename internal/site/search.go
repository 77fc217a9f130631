package site

// found is a section as the search in the browser reads it; the names are short, for
// every reader who searches loads all of them.
type found struct {
	Page    string `json:"p"` // path on the site
	Title   string `json:"t"` // of the page
	Heading string `json:"h,omitempty"`
	Anchor  string `json:"a,omitempty"`
	Text    string `json:"x"`
}

// searchIndex is all sections of the pages.
func searchIndex(pages []*page) []found {
	var all []found
	for _, p := range pages {
		for _, s := range p.sections {
			f := found{Page: htmlName(p.name), Title: p.title, Text: s.text}
			if s.Level > 1 {
				f.Heading, f.Anchor = s.Title, s.Anchor
			}
			all = append(all, f)
		}
	}
	return all
}
