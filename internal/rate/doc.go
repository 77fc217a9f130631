// Package rate limits how often something may happen: token buckets, alone and by
// key. Time is an argument; nothing here has a goroutine. A Bucket belongs to whoever
// uses it, a Keyed may be used from anywhere. Any package may import it.
package rate
