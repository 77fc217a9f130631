// Package tcp accepts connections that are not announced to Go's scheduler, and nor are
// their reads and writes.
//
// A socket's calls never block, the runtime waits for it by other means: rawfile says what
// that saves. The one that cannot be made so, close, is made for several at a time.
//
// server listens with it, and turn.
package tcp
