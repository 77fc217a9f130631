// Package web is the pages that the server shows, the call at / and the dashboard at
// /dashboard: their built assets, and the handler that serves them with the pages'
// security policy and caching.
//
// The sources (src, React; the call with livekit-client) are built with Node into dist,
// which is committed, so that building the server needs no Node; a test ties
// dist to the sources. See README.md for both.
//
// The package owns no goroutine and imports internal/asset. internal/httpapi mounts
// its handler.
package web
