// Package metrics shows Prometheus what the other packages count.
//
// It counts nothing itself and runs no goroutine: a scrape reads the counters
// that are there. Labels are bounded: no room, participant, track or URL is one,
// and of webhook endpoints the first hundred that the configuration and the API
// have named, by id.
//
// It may be imported by server only.
package metrics
