// Package asset serves a file that is compiled in: zipped once, revalidated by its
// content, with the headers that keep it what it is.
//
// It owns no goroutine and imports nothing of ours; what serves files to browsers
// imports it.
package asset
