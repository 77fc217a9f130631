// Package headroom lets a small heap grow before garbage is collected.
//
// Go collects when the heap has doubled, which a small heap, of a server with few
// participants, has soon, and a large one has not. With headroom it is collected when it
// has grown by that much, or doubled if that is later: a small server has that much more
// memory at most, a large one nothing.
//
// It owns the process's GOGC and imports nothing.
package headroom
