// Package rtmp is a server to which encoders publish: RTMP and, over TLS, RTMPS
// (Adobe RTMP 1.0, Enhanced RTMP v2 as far as package flv reads it).
//
// It plays nothing. Who may publish, and where the media goes, is said by a
// Handler. Each connection has one goroutine, which Serve waits for. What a client
// sends is bounded everywhere: time to publish, chunk streams, messages, and
// connections and wrong keys of an address.
package rtmp
