// Package docs is the documentation: this folder's pages, pictures and schemas, as
// they stand, compiled into the server.
//
// README.md is the table of contents. internal/site makes a site of them, which
// the server shows at /docs.
//
// The package owns no goroutine and imports nothing of ours.
package docs
