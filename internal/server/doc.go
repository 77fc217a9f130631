// Package server builds the server from a configuration, starts it and stops
// it. It is the only package that knows all the others; it decides their order.
//
// Start: event log, delivery (so that it sees what follows), the closing of what
// a crash left open, media sockets, rooms, and at last the HTTP listeners.
// Stop, the other way round: no new work, clients told to come back, the events
// of their going appended, listeners closed, deliveries given a moment, the log
// flushed and closed.
//
// It may be imported by cmd only.
package server
