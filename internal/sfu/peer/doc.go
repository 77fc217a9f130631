// Package peer makes connections: ICE, DTLS and SDP through pion, data channels
// through sctp and record. It is the only importer of pion/webrtc. A Publisher carries media and data from a
// client, a Subscriber to it, a Duplex both ways; uptrack and downtrack do the
// packets.
//
// Each connection is a task queue. Its tasks run one at a time on a goroutine
// that exists while there are tasks; they own the connection's fields and make
// every pion call. Exported methods and pion's callbacks post a task and
// return. Handler methods are called one at a time, and may call any method
// here but Close, which waits for them; they use Stop.
//
// No deadlock: tasks wait for nothing but the handlers' turn and short leaf
// locks (queue, data, reports). Who has the turn runs a handler method, which
// must not block; nobody takes it while holding a leaf. Only Close waits for
// tasks, from outside.
package peer
