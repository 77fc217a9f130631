package turn

import "errors"

var (
	// ErrNoPorts means that neither UDP nor TLS has a port.
	ErrNoPorts = errors.New("no port for TURN")
	// ErrNoCertificate means that there is none for TLS.
	ErrNoCertificate = errors.New("no certificate for TURN over TLS")
	// ErrNoAddress means that there is no media address to relay to.
	ErrNoAddress = errors.New("no address to relay to")

	// What an allocation is refused for; the client sees an error code.
	errUnknownSession = errors.New("credentials have been revoked")
	errQuota          = errors.New("too many allocations")
	errTransport      = errors.New("only UDP is relayed")
	errNoRelayPort    = errors.New("no free relay port")
	errNoFamily       = errors.New("no media address of this family")
	errForbiddenPeer  = errors.New("peer is not a media address of this server")
)
