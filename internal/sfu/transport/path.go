package transport

import (
	"net/netip"
)

// maxMarks is how many readers can have one on each path: those of eight addresses.
// Others, if there are more, look through what they have gathered.
const maxMarks = 8 * maxReaders

// Path is a way to a client: a socket of ours and an address of the client's, or a TCP
// connection. It is immutable but for the marks, of which each belongs to one reader,
// whichever address that reads.
type Path struct {
	marks [maxMarks]uint64 // by reader: the round and the chain of its batch

	share *share // nil with a stream
	addr  netip.AddrPort
	dest  rawAddr // addr as the system has it

	stream *stream // nil over UDP
}

// Addr is the address of the client.
func (p *Path) Addr() netip.AddrPort { return p.addr }

// Stream reports whether the path is a TCP connection.
func (p *Path) Stream() bool { return p.stream != nil }

// Claim makes the address of a path the connection's: media and records that come from
// there are its own from now on, unless it is one that another's media goes to, and that
// has not asked for us. A client may say that it is to be reached where somebody else is.
// It is called before something is sent there.
func (p *Path) Claim() {
	if p.share != nil {
		p.share.claim(p)
	}
}

// Write sends one datagram by itself. What cannot be sent is lost, as any packet may be.
func (p *Path) Write(b []byte) {
	if p.stream != nil {
		p.stream.write(b)
		return
	}
	_, _ = p.share.sock.write(b, p.addr)
}
