package config

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/livekit/protocol/livekit"
)

// Config is everything that can be set. It is immutable after Load.
type Config struct {
	// Port serves the page, the API and the signal connections; 0 takes any
	// free one.
	Port int
	// BindAddresses are the local IP addresses to listen on; empty means all.
	BindAddresses []string
	// TrustedProxies (CIDR) are believed when they say whose request they bring.
	TrustedProxies []string
	// DataDir holds the event log.
	DataDir string
	// Development loosens what is only safe on one's own machine.
	Development bool

	Keys    Keys
	KeyFile string // has been read into Keys

	Dashboard Dashboard
	Egress    Egress
	Ingress   Ingress

	TLS     TLS
	RTC     RTC
	TURN    TURN
	Room    Room
	Audio   Audio
	Webhook Webhook
	Log     Log
	Logging Logging
	Limit   Limit

	Prometheus Prometheus
	Admin      Admin
	Drain      Drain
	Tracing    Tracing

	// Where says of each key that was given where: a file with line and column, a
	// variable or a flag.
	Where map[string]string
	// Unsupported names the keys that were given, are known from LiveKit and
	// have no effect yet, each with its place.
	Unsupported []string
	// Warnings are sentences for the log.
	Warnings []string
}

// Dashboard is the page at /dashboard.
type Dashboard struct {
	// Users get in without a token.
	Users Passwords
}

// TLS is how Port is secured.
type TLS struct {
	CertFile, KeyFile string
	// RedirectPort sends HTTP clients to Port; 0: none, -1: any free one.
	RedirectPort int
	ACME         ACME
}

// Enabled says whether Port speaks TLS.
func (t TLS) Enabled() bool { return t.CertFile != "" || len(t.ACME.Domains) > 0 }

// ACME is where certificates come from, if it has domains.
type ACME struct {
	Domains                            []string
	Email, Directory, CAFile, CacheDir string
}

// Ingress is how streams of encoders come in.
type Ingress struct {
	// RTMPBaseURL and WHIPBaseURL are what encoders are told; empty: what the caller
	// of the API has found this server at.
	RTMPBaseURL, WHIPBaseURL string

	RTMP RTMP
	// FFmpeg is the program that encodes; empty: ffmpeg in PATH.
	FFmpeg string
	// LipSyncDelay is how long browsers are asked to wait with pictures, at least, where
	// their sound is encoded, in milliseconds.
	LipSyncDelay int
	// AllowNetworks are the private networks that sources of URLs may be in.
	AllowNetworks []string
}

// RTMP is where encoders push streams to.
type RTMP struct {
	// Port takes RTMP, and TLSPort RTMPS. 0: none, -1: any free one.
	Port, TLSPort int
	// ConnectionsPerAddress bounds the connections of one address.
	ConnectionsPerAddress int
}

// RTC is how media travels.
type RTC struct {
	// UDPPort is the one that all connections share; 0 takes any free one.
	UDPPort int
	// PortRangeStart and PortRangeEnd, when not 0, give each connection ports
	// of its own, and UDPPort is not used.
	PortRangeStart, PortRangeEnd int
	// TCPPort is for ICE over TCP; 0 turns it off, -1 takes any free one.
	TCPPort int
	// NodeIPs are advertised in place of the local addresses of their family: at
	// most one of each.
	NodeIPs []string
	// UseExternalIP asks STUNServers what the local addresses are known as, and
	// advertises that; AdvertiseInternalIP advertises both.
	UseExternalIP, AdvertiseInternalIP bool
	// Interfaces and IPs (CIDR) choose among the machine's addresses.
	Interfaces Filter
	IPs        Filter
	// LoopbackCandidates advertises loopback addresses too.
	LoopbackCandidates bool
	ICELite            bool
	// AllowPause lets video that a connection does not carry be paused, for clients
	// that do not say whether it may be.
	AllowPause bool
	// STUNServers and TURNServers are handed to clients.
	STUNServers []string
	TURNServers []TURNServer
}

// TURN is the relay that is part of the server.
type TURN struct {
	Enabled bool
	// UDPPort and TLSPort are 0 for none, -1 for any free one.
	UDPPort, TLSPort int
	// Domain is the name in the certificate.
	Domain            string
	CertFile, KeyFile string
	// ExternalTLS says that TLS ends before us, on port 443 of Domain.
	ExternalTLS                           bool
	RelayRangeStart, RelayRangeEnd        int
	MaxAllocations, MaxAddressAllocations int // of a participant, of an address
	// MaxBitrate is in bits per second, for a participant, each way.
	MaxBitrate int
	// BindAddresses are for TLS; empty means those of the server.
	BindAddresses []string
}

// SharesTLS says whether TURN over TLS is on Port, beside HTTPS.
func (c *Config) SharesTLS() bool {
	return c.TURN.Enabled && c.TURN.TLSPort > 0 && c.TURN.TLSPort == c.Port && c.TLS.Enabled() && !c.TURN.ExternalTLS && c.TURN.CertFile == ""
}

// Filter keeps what Includes names or, when that is empty, what Excludes does not.
type Filter struct {
	Includes, Excludes []string
}

// TURNServer is a relay that clients may use.
type TURNServer struct {
	Host       string
	Port       int
	Protocol   string // udp, tcp or tls
	Username   string
	Credential string
}

// Audio says how sound is forwarded.
type Audio struct {
	// ActiveREDEncoding sends Opus that comes without redundancy with it.
	ActiveREDEncoding bool
}

// Room holds the settings of a room that does not bring its own.
type Room struct {
	AutoCreate       bool
	MaxParticipants  int // 0: no limit
	EmptyTimeout     time.Duration
	DepartureTimeout time.Duration
	// EnabledCodecs are MIME types, spelled as in Codecs.
	EnabledCodecs      []string
	EnableRemoteUnmute bool
	// DuplicateIdentity is Replace or Reject.
	DuplicateIdentity string
	SyncStreams       bool
	PlayoutDelay      PlayoutDelay
	// Presets are settings of rooms by name.
	Presets map[string]*livekit.RoomConfiguration
}

// maxPlayoutDelay is the most that the wire can say, in milliseconds.
const maxPlayoutDelay = 40950

// PlayoutDelay is how long clients should wait before they show a frame of video.
type PlayoutDelay struct {
	Enabled  bool
	Min, Max int // milliseconds
}

// What happens to a join under an identity that is in the room: the new session
// replaces the old one, or is refused.
const (
	Replace = "replace"
	Reject  = "reject"
)

// Webhook says who hears of the events.
type Webhook struct {
	// APIKey signs the requests; it is one of Keys.
	APIKey string
	URLs   []string
	// Include and Exclude filter the events for URLs; Include wins.
	Include, Exclude []string
	// FullTrackContext sends URLs track events with the whole room and participant.
	FullTrackContext bool
	// Endpoints have options of their own.
	Endpoints []Endpoint
	// AllowNetworks are private networks (CIDR) that endpoints which the API or a
	// request asks for may be in.
	AllowNetworks []string
}

// Log says how long events are kept.
type Log struct {
	// RetentionAge is how long an event is kept; 0: forever.
	RetentionAge time.Duration
	// RetentionSize is how many bytes of events are kept, before compression; 0: all.
	RetentionSize int64
	// Quota is how many bytes there may be before the log refuses all but
	// lifecycle events; 0: no limit.
	Quota int64
}

// Prometheus says where metrics are read.
type Prometheus struct {
	// Port serves nothing but metrics; 0: none, -1: any free one.
	Port int
	// BindAddresses are for Port; empty means those of the server.
	BindAddresses []string
	// Username and Password are asked for, on both ports; empty: nobody is asked.
	Username, Password string
	// MainPort serves them on the server's port too.
	MainPort bool
}

// Admin is a port for those who run the server.
type Admin struct {
	Port          int // 0: none, -1: any free one
	BindAddresses []string
}

// Tracing is where traces go.
type Tracing struct {
	// Enabled follows from Endpoint and the variables of OpenTelemetry.
	Enabled bool
	// Endpoint is a URL that takes OTLP over HTTP; empty: as the variables say.
	Endpoint string
}

// Drain is how the server stops.
type Drain struct {
	// Delay is how long it goes on, not ready, for those who are there.
	Delay time.Duration
	// Webhooks is how long endpoints that are up may take for the last events.
	Webhooks time.Duration
	// Timeout bounds all that comes after Delay.
	Timeout time.Duration
}

// Logging is what goes to standard error.
type Logging struct {
	Level slog.Level
	JSON  bool
}

// Limit holds sizes in bytes and lengths in characters, all above 0.
type Limit struct {
	MaxMetadataSize              int
	MaxAttributesSize            int
	MaxRoomNameLength            int
	MaxParticipantIdentityLength int
	MaxParticipantNameLength     int
	// MaxTracks is of a participant, published and announced.
	MaxTracks int
	// JoinsPerKey and JoinsPerAddress are a second, as are the rest but
	// ConnectionsPerAddress, which are at a time.
	JoinsPerKey, JoinsPerAddress int
	ConnectionsPerAddress        int
	SignalMessages, SignalBytes  int // of a connection
	DataMessages, DataBytes      int // of a connection
	MediaBits                    int // of a connection
	RequestsPerKey               int
}

// Keys are API keys with their secrets. Printed or logged, they are a count.
type Keys map[string]string

func (k Keys) String() string       { return fmt.Sprintf("%d API keys", len(k)) }
func (k Keys) GoString() string     { return k.String() }
func (k Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }

// The key and secret of development mode, known to everybody.
const (
	DevKey    = "devkey"
	DevSecret = "secret"
)

// Codecs are the MIME types of the codecs that can be enabled.
var Codecs = []string{"video/VP8", "video/H264", "video/VP9", "video/AV1", "video/H265", "audio/opus", "audio/red", "audio/PCMU", "audio/PCMA"}

// Defaults is the configuration without any source.
func Defaults() *Config {
	return &Config{
		Port:           7880,
		DataDir:        "rollcall-data",
		TrustedProxies: []string{"127.0.0.0/8", "::1/128"},
		RTC: RTC{
			UDPPort:    7882,
			TCPPort:    7881,
			AllowPause: true,
		},
		Ingress: Ingress{RTMP: RTMP{ConnectionsPerAddress: 50}, LipSyncDelay: 150},
		Egress:  Egress{UploadPatience: time.Minute, MaxCPU: 90, PageMemory: 2 << 30},
		TURN: TURN{
			UDPPort:               3478,
			RelayRangeStart:       30000,
			RelayRangeEnd:         40000,
			MaxAllocations:        24,
			MaxAddressAllocations: 480,
			MaxBitrate:            50_000_000,
		},
		Room: Room{
			AutoCreate:       true,
			EmptyTimeout:     300 * time.Second,
			DepartureTimeout: 20 * time.Second,
			EnabledCodecs:    append([]string(nil), Codecs...),

			DuplicateIdentity: Replace,
		},
		Audio: Audio{ActiveREDEncoding: true},
		Log: Log{
			RetentionAge: 7 * 24 * time.Hour,
		},
		Drain: Drain{Webhooks: 2 * time.Second, Timeout: 10 * time.Second},
		Admin: Admin{BindAddresses: []string{"127.0.0.1", "::1"}},
		Limit: Limit{
			MaxMetadataSize:              512 << 10,
			MaxAttributesSize:            64 << 10,
			MaxRoomNameLength:            256,
			MaxParticipantIdentityLength: 256,
			MaxParticipantNameLength:     256,
			MaxTracks:                    50,
			JoinsPerKey:                  1000,
			JoinsPerAddress:              100,
			ConnectionsPerAddress:        5000,
			SignalMessages:               100,
			SignalBytes:                  512 << 10,
			DataMessages:                 2000,
			DataBytes:                    16 << 20,
			MediaBits:                    100_000_000,
			RequestsPerKey:               1000,
		},
	}
}
