//go:build linux

// Command wire is a piece of bad network: an Ethernet cable between two
// network namespaces that delays, loses, queues and limits what goes through
// it, each direction by itself, as it is told while it runs. It needs no
// kernel module but tun, and its losses are drawn from a seed.
//
// It makes both ends, which are gone when it ends. Commands are JSON lines on
// standard input, answers JSON lines on standard output:
//
//	{"id":1,"up":{"delayMs":40,"jitterMs":10,"loss":0.05,"rate":1000000,"queue":65536,"cut":false}}
//	{"id":1,"up":{"frames":10,"bytes":1200,"lost":1,"overflowed":0},"down":{…}}
//
// Up is what leaves the namespace; what a command does not name stays.
package main
