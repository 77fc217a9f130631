// Package external asks STUN servers (RFC 8489) as what address this machine is
// known outside. It sends packets only when it is called, to the servers that it
// is given.
package external
