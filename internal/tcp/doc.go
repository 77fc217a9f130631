// Package tcp accepts connections that are not announced to Go's scheduler, and nor are
// their reads and writes.
//
// A system call that may block is: the scheduler then wakes its watchdog, which looks
// around for a while in case that the call does not return. A socket's calls never
// block, the runtime waits for it by other means. For a server that many clients keep
// half asleep, the watchdog is a quarter of all its work.
//
// It imports nothing of ours. server listens with it.
package tcp
