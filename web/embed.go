package web

import "embed"

// all: takes dist/.sources too, which the freshness test reads.
//
//go:embed all:dist
var dist embed.FS
