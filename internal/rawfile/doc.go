// Package rawfile reads and writes pipes and sockets by calls that are not announced to
// Go's scheduler.
//
// A system call that may block is: the scheduler then wakes its watchdog, which looks
// around for a while in case that the call does not return. The calls of what the runtime
// waits for by other means never block. For a server that has much to wait for, the
// watchdog is a sixth to a quarter of all its work.
//
// It imports nothing of ours. tcp has its connections be such, and ingress/ffmpeg the pipes
// of its children.
package rawfile
