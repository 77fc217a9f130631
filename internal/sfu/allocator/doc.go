// Package allocator shares what a connection carries among its video tracks:
// all of them at their lowest step first, then upward together, the more
// important first; who does not fit at all is paused.
//
// Pure leaf, no state. Imported by sfu/peer.
package allocator
