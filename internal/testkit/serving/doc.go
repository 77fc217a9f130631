// Package serving runs a server in the process of a test: on loopback, on free
// ports, with data of its own. Tests of processes that are killed start the program
// themselves.
package serving
