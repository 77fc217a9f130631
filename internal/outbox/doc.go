// Package outbox writes to WebSockets. What its owner sends waits in a bounded
// queue, so that whoever sends never waits for a client; a client that falls too
// far behind, or does not answer pings, loses its connection.
//
// Each Outbox belongs to one connection, which Accept has made and Begin begins. Write
// runs on a goroutine of its own and Reply on that which reads; all other methods may be
// called from anywhere. What waits leaves in one system call. signal and agent import this.
package outbox
