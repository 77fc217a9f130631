// Package storetest is the suite that every store of the event log passes:
// conformance of the Store itself, and of a Log on it under concurrency, across
// restarts and after power cuts. Only tests import it.
package storetest
