package turn

import "errors"

var (
	// ErrNoPorts means that neither UDP nor TLS has a port.
	ErrNoPorts = errors.New("no port for TURN")
	// ErrNoAddress means that there is no media address to relay to.
	ErrNoAddress = errors.New("no address to relay to")
	// ErrCertificate means that the certificate of TURN over TLS cannot be used.
	ErrCertificate = errors.New("certificate of TURN over TLS")

	// What an allocation is refused for; the client sees an error code.
	errUnknownSession = errors.New("credentials have been revoked")
	errQuota          = errors.New("too many allocations")
	errTransport      = errors.New("only UDP is relayed")
	errNoRelayPort    = errors.New("no free relay port")
	errNoFamily       = errors.New("no media address of this family")
	errForbiddenPeer  = errors.New("peer is not a media address of this server")
)
