package turn

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
)

// Options configure a Server.
type Options struct {
	// Media are the addresses of this server's media; UDP clients are served on
	// the local ones, and nothing else is relayed to.
	Media []MediaAddr
	// MediaPorts are the first and the last UDP port of media.
	MediaPorts [2]uint16

	// UDPPort is for TURN over UDP; 0 means none, -1 an ephemeral one.
	UDPPort int
	// TLSPort is for TURN over TLS; 0 means none, -1 an ephemeral one.
	TLSPort int
	// BindAddresses are where the TLS port is; empty means everywhere.
	BindAddresses []string
	// Domain is the name in the certificate, that clients are told.
	Domain string
	// Certificate is tls.Config.GetCertificate for the TLS port.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Shared bring connections of a port that others use too, on which TLS has
	// ended. TLSPort, which is not 0, and BindAddresses have no effect then.
	Shared []net.Listener
	// ExternalTLS says that somebody before us ends TLS, on port 443 of Domain:
	// TLSPort gets plain TCP.
	ExternalTLS bool
	// RelayPorts are the first and the last port that relays take.
	RelayPorts [2]uint16

	Limits Limits
	// Logger gets what an operator should know, and pion's words at debug level.
	// Nil discards them.
	Logger *slog.Logger
}

// MediaAddr is an address that media is received on, and what clients are told
// of it.
type MediaAddr struct {
	Local      netip.Addr
	Advertised []netip.Addr // never empty
}

// Limits bound what clients may use.
type Limits struct {
	// PerParticipant and PerAddress are how many allocations there may be at a
	// time; an address is an IPv4 address or an IPv6 /64. Defaults: 24 and 480. With
	// ExternalTLS there is no limit of an address for what comes by TCP.
	PerParticipant, PerAddress int
	// Connections is how many TLS connections there may be. Default: 8192.
	Connections int
	// Bitrate is how many bits per second are relayed for a participant, each
	// way; what is more is dropped. Default: 50 Mbit/s; negative: no limit.
	Bitrate int64
}

func (o Options) withDefaults() Options {
	l := &o.Limits
	if l.PerParticipant == 0 {
		// Two connections, each with a relay for each address family of each of
		// a laptop's interfaces, over UDP and TLS.
		l.PerParticipant = 24
	}
	if l.PerAddress == 0 {
		l.PerAddress = 20 * l.PerParticipant
	}
	if l.Connections == 0 {
		l.Connections = 8192
	}
	if l.Bitrate == 0 {
		l.Bitrate = 50_000_000
	}
	if o.RelayPorts[1] == 0 {
		o.RelayPorts = [2]uint16{30000, 40000}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
