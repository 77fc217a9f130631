// Package event is the catalogue: every durable event, defined once.
//
// An Event is what its owner (a room, an egress) reports. The log gives it a
// place in the order and turns it into a Record, whose Body is the frozen
// webhook that every reader of the log sees. Names, documentation, payload
// scope and the order in which things close all derive from the Catalogue; an
// event name is never spelled as a string anywhere else.
//
// The package is a leaf: it owns no goroutine and imports only the published
// messages of livekit/protocol. Everybody may import it.
package event
