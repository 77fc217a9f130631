// Package histogram counts durations in buckets, without a lock, for whoever
// wants to know how they are distributed.
//
// It is a leaf. It knows no metrics system: what is counted is read as a
// Snapshot.
package histogram
