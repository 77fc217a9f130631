package client

import "github.com/livekit/protocol/livekit"

// Restore has the room believe that its connection is lost.
func Restore(r *Room, full bool) {
	r.loop.send(func() { r.restore(full, livekit.ReconnectReason_RR_UNKNOWN) })
}

// EndData ends the channel for reliable data, as a broken transport does.
func EndData(r *Room) {
	r.loop.send(func() { _ = r.session.reliable.Close() })
}
