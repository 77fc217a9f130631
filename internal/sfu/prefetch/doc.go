// Package prefetch asks for memory before it is needed. A packet for many
// subscribers meets the state of each of them for the first time in a while; while
// one is served, that of the next can be on its way from memory.
//
// It is a hint: it never faults, and does nothing on processors we have no
// instruction for. Imported by sfu/uptrack and sfu/downtrack.
package prefetch
