package client

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/pion/webrtc/v4"
)

// Version is what the client says it is of.
const Version = "0.1.0"

// protocolVersion is the newest version of the protocol that this client speaks.
const protocolVersion = 16

// Options say how to join a room. The zero value joins and subscribes to everything.
type Options struct {
	// Setup is called before the client connects, with the room that Connect
	// will return: handlers that are registered there miss no event.
	Setup func(*Room)

	// ManualSubscribe makes the application choose what to receive, with
	// RemotePublication.SetSubscribed.
	ManualSubscribe bool
	// AllowPause lets the server pause subscribed tracks when there is no
	// bandwidth for all of them, instead of their becoming worse.
	AllowPause bool
	// SinglePeerConnection uses one connection for both directions, with servers
	// that can do that.
	SinglePeerConnection bool

	// Codecs limits what is received and sent to codecs of their MIME types, for an
	// application that decodes only some. Empty means all that this package knows.
	Codecs []webrtc.RTPCodecCapability

	// RED asks for redundant audio (RFC 2198), both ways: each packet of Opus carries
	// the one before as well, so that a lost one is made up for. Tracks that are
	// encrypted end to end are sent without. What is read from a track is plain Opus.
	RED bool

	// Metadata and Attributes are set as the participant joins. The token must
	// permit that, and servers take Metadata only with SinglePeerConnection.
	Metadata   string
	Attributes map[string]string

	// ICEServers are used in addition to those that the server names.
	ICEServers []webrtc.ICEServer
	// RelayOnly sends all media through TURN servers.
	RelayOnly bool
	// NetworkTypes limits the networks over which media goes. Empty means UDP
	// and TCP over IPv4 and IPv6.
	NetworkTypes []webrtc.NetworkType
	// Configure, if set, changes what remains of the settings of connections.
	Configure func(*webrtc.SettingEngine)

	// Reconnect says how often a lost connection is tried again.
	Reconnect ReconnectPolicy
	// StreamBuffer is how many bytes of one incoming data stream wait for its
	// reader before the stream fails. 0 means 16 MiB.
	StreamBuffer int

	// HTTPClient dials the server; nil means http.DefaultClient.
	HTTPClient *http.Client
	// Logger gets what concerns nobody but a developer; nil means none.
	Logger *slog.Logger
}

// ReconnectPolicy says how a lost connection is tried again.
type ReconnectPolicy struct {
	// Attempts is how often; 0 means 10, a negative number never.
	Attempts int
	// Delay is how long to wait before an attempt, the first being number 0. Nil
	// means at once, then longer and longer up to 5 s, with some randomness.
	Delay func(attempt int) time.Duration
}

func (o Options) withDefaults() Options {
	if o.StreamBuffer == 0 {
		o.StreamBuffer = 16 << 20
	}
	if o.HTTPClient == nil {
		o.HTTPClient = http.DefaultClient
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Reconnect.Attempts == 0 {
		o.Reconnect.Attempts = 10
	}
	if o.Reconnect.Delay == nil {
		o.Reconnect.Delay = defaultDelay
	}
	return o
}
