// Package webhooksink is a webhook receiver for tests: it keeps what arrives,
// raw and in order, verifies every request with the receiver of
// livekit/protocol, and misbehaves as its script says.
//
// A Sink is an http.Handler that any number of goroutines may use; Listen puts
// one on a loopback socket, ServePipe on a listener in memory for
// testing/synctest. Control serves it to tests in other processes, and sinkd is
// such a process. Only tests import this package.
package webhooksink
