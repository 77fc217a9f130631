// Package upgrade answers requests for WebSockets past the connections of net/http.
//
// Each of those is made for many requests, with bodies, from clients that may vanish
// meanwhile: buffers, contexts, and a goroutine that reads ahead. A request for a WebSocket
// is the only one of its connection, and with all that an eighth of what it costs to join.
// It is read by http.ReadRequest and goes to the same handler. Whatever is not plainly such
// a request, in one piece and in plain ASCII, net/http gets as it came.
//
// A Listener owns the connections that have not sent a request yet; a handler that it calls
// owns its own. It imports stack.
package upgrade
