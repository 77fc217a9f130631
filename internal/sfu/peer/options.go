package peer

import (
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Options configure a Factory. The zero value listens for UDP on an ephemeral
// port of every non-loopback address.
type Options struct {
	// UDPPort is the one port all connections share; 0 takes an ephemeral one.
	UDPPort int
	// UDPPortRange, if its end is not 0, gives each connection ports of its
	// own from the range, and UDPPort is not used.
	UDPPortRange [2]uint16
	// TCPPort is the port for ICE-TCP; 0 means none, -1 an ephemeral one.
	TCPPort int
	// BindAddresses restricts listening to these local IP addresses. Empty or
	// an unspecified address means all.
	BindAddresses []string
	// NodeIPs are advertised in place of the local addresses of their family: an
	// IPv4 address, an IPv6 one, or both.
	NodeIPs []string
	// External is what local addresses are known as outside; where it names one,
	// that is advertised.
	External map[netip.Addr]netip.Addr
	// AdvertiseInternal advertises the local addresses as well.
	AdvertiseInternal bool
	// LoopbackCandidates also listens on, and advertises, loopback addresses.
	LoopbackCandidates bool
	// ICELite answers connectivity checks and makes none.
	ICELite bool
	// KeepInterface and KeepIP filter what is listened on; nil keeps all.
	KeepInterface func(name string) bool
	KeepIP        func(ip net.IP) bool

	// DisconnectedTimeout without traffic makes a connection Disconnected,
	// FailedTimeout more makes it Failed. Defaults: 10 s and 5 s.
	DisconnectedTimeout time.Duration
	FailedTimeout       time.Duration
	// KeepaliveInterval is the pause after which ICE sends a check. Default: 2 s.
	KeepaliveInterval time.Duration
	// AnswerTimeout is how long a client may take to answer an offer. Default: 15 s.
	AnswerTimeout time.Duration
	reminderStep  time.Duration // see reminders; a fifteenth of AnswerTimeout
	// askAgain is the pause before sections are asked for that offers did not bring: an
	// offer may have been on its way when they were asked for. 2 s.
	askAgain time.Duration

	// DataLimit is for each connection. Default: no limit.
	DataLimit DataLimit
	// MediaBits is how many bits of media a client may send in a second; what is beyond is
	// left out, as if it were lost on its way. Default: no limit.
	MediaBits int

	// Logger is where pion's complaints go, at debug level. Nil discards them.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.DisconnectedTimeout == 0 {
		o.DisconnectedTimeout = 10 * time.Second
	}
	if o.FailedTimeout == 0 {
		o.FailedTimeout = 5 * time.Second
	}
	if o.KeepaliveInterval == 0 {
		o.KeepaliveInterval = 2 * time.Second
	}
	if o.AnswerTimeout == 0 {
		o.AnswerTimeout = 15 * time.Second
	}
	if o.reminderStep == 0 {
		o.reminderStep = o.AnswerTimeout / 15
	}
	if o.askAgain == 0 {
		o.askAgain = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
