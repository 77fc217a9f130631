// Package client joins a room as a participant: it publishes and receives
// tracks and data, and tells an application everything that happens as typed
// events, in order, or as a snapshot of the whole room after each change. It
// works with Rollcall and with every server of LiveKit's protocol.
//
// A Room has one goroutine that owns its connection, and one that calls the
// handlers registered with On. Handlers may take their time and may call
// anything of the room: events wait for them, in order, and none is dropped.
// What is read from a Room or a participant is its newest state, which may be
// ahead of the event in hand. All methods may be called from anywhere.
//
// Nothing of the server imports this package; it knows only package event, how
// codecs look, NTP, the published messages and pion.
package client
