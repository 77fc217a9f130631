// Package storetest checks implementations of webhook.Store: Run holds one to
// its contract, and then lets inboxes on it receive random rooms through a sender
// that loses, repeats and reorders, with applications that fail and processes
// that start again. Each event has to arrive once and in order.
//
// Log is the log behind it, for tests of applications too. Tests import this
// package; it imports webhook and event.
package storetest
