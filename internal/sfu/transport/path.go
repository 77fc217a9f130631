package transport

import (
	"net"
	"net/netip"
)

// maxMarks is how many readers can have one on each path: those of eight addresses.
// Others, if there are more, look through what they have gathered.
const maxMarks = 8 * maxReaders

// Path is where a connection's packets go. It is immutable but for the marks,
// of which each belongs to one reader, whichever address that reads.
type Path struct {
	marks [maxMarks]uint64 // by reader: the round and the chain of its batch

	sock *socket
	addr netip.AddrPort
	dest rawAddr // addr as the system has it

	plain net.PacketConn // instead of sock: ICE-TCP, and sockets of the agent's own
	to    net.Addr

	stamp uint64 // of the agent's last packet to addr; Link.mu guards it
}

// Addr is the address of the client.
func (p *Path) Addr() netip.AddrPort { return p.addr }
