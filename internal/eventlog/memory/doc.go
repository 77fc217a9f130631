// Package memory is the event log's store without a disk, for tests and for a
// server that shall forget. It is safe for use by many goroutines and owns none.
package memory
