// Package tcp accepts connections that are not announced to Go's scheduler, and nor are
// their reads and writes.
//
// A socket's calls never block, the runtime waits for it by other means: rawfile says what
// that saves.
//
// server listens with it.
package tcp
