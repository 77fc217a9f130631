// Package whip lets encoders publish by one HTTP request (RFC 9725).
//
// A session is a participant like any other: its offer and its candidates are handed
// to the room as those of an SDK are, and its packets go the same way. At /w a stream
// key of an ingress endpoint admits, in the Authorization header or as the last part
// of the path; at /whip/v1 an access token that allows to join. Each session has a
// goroutine that ends with its participant; Close waits for them.
//
// If an endpoint asks for its media to be encoded anew, the client is in a room
// backstage, where it is listened to, and the participant is that of what is made of it.
//
// It knows rooms and ingress by their handles. Imported by server.
package whip
