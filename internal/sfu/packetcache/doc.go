// Package packetcache keeps the last packets of one stream for
// retransmission.
//
// One goroutine (or one lock) writes; any number read at the same time. Each
// slot has its own lock, so a reader can hold up the writer only when the
// writer has come all the way round to the very packet being copied. The
// cache starts small and doubles while its packets are younger than the
// window, so that a quiet stream costs little. Leaf of uptrack.
package packetcache
