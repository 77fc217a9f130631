package docs

import "embed"

// Files are the pages (Markdown) and what they show and link to, by path in this
// folder.
//
//go:embed *.md *.yaml adr images schema ui
var Files embed.FS
