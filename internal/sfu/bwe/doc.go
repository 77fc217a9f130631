// Package bwe estimates how much one connection carries to its client, from
// transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//
// A connection is taken for wide enough until it shows that it is not: a queue
// that does not drain, or packets that get lost with the rate. From then on
// the estimate is what arrived at that moment, and rises by probes: padding
// that goes along with the media for a moment. Bursts are then to be sent at
// its Pace.
//
// Pure leaf: time is an argument, and the owner guards an Estimator. Only
// History.Sent, which is on the packet path, may be called by anybody; it
// neither locks nor allocates. Imported by sfu/peer.
package bwe
