// Package layer knows which simulcast layers of a track are live and which
// of them a subscriber should get. Pure leaf of uptrack and downtrack.
package layer
