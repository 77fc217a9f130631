// Package peer makes connections: offers and answers, paths by ice, handshakes by pion's
// DTLS, data channels by sctp and record. A Publisher carries media and data from a client, a
// Subscriber to it, a Duplex both ways; uptrack and downtrack do the packets.
//
// Each connection is a task queue. Its tasks run one at a time on a goroutine that exists
// while there are tasks; they own what is negotiated. Checks, records and packets are taken
// on the goroutine that has read them, and post a task when the state may be another. Handler
// methods are called one at a time, and may call any method here but Close, which waits for
// them; they use Stop.
//
// No deadlock: tasks wait for nothing but the handlers' turn and short leaf locks. Who has the
// turn runs a handler method, which must not block; nobody takes it while holding a leaf. Only
// Close waits for tasks, from outside.
package peer
