// Package site makes a site of the documentation: each Markdown page a page with
// contents, links and search, the same under any path and on any host.
//
// docs/README.md is the table of contents; its headings and lists are the menu. All
// links are relative and name files, so that what the server shows at /docs is,
// file by file, what Write writes for another host. Pages are made at the first
// request, so that they cost nothing before, and cannot be older than the server.
//
// The package owns no goroutine. It is the only importer of goldmark, which reads
// Markdown. server mounts its handler; the verb docs of cmd/rollcall writes it.
package site
