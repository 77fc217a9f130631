// Package gendocs writes what docs say of events from the catalogue: events.md for
// people, a JSON Schema of webhook bodies and an AsyncAPI document for tools; and
// configuration.md from the commented rollcall.yaml.
//
// Its test compares them with what is in docs, and writes them with -update:
//
//	go test ./internal/gendocs -update
//
// The package is pure: it owns no goroutine and no file, and imports event and
// sample. Only its test uses it.
package gendocs
