package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// livekitFile has the keys of a LiveKit server in production, as its
// documentation describes them.
const livekitFile = `
port: 7880
bind_addresses:
  - ""
prometheus_port: 6789
log_level: debug
region: eu
redis:
  address: 192.0.2.9:6379
  sentinel_addresses: [a, b]
rtc: &rtc
  port_range_start: 50000
  port_range_end: 60000
  udp_port: 7882-7892
  tcp_port: 7881
  use_external_ip: true
  use_mdns: false
  node_ip: {ipv4: 192.0.2.1, ipv6: "2001:db8::1"}
  pli_throttle: {low_quality: 500ms}
  congestion_control:
    enabled: true
    allow_pause: false
    stream_allocator: {probe_mode: padding}
  turn_servers:
    - host: turn.example.org
      port: 443
      protocol: tls
      secret: shared
      ttl: 14400
turn:
  enabled: true
  domain: turn.example.org
  tls_port: 5349
  udp_port: 3478
  external_tls: true
keys:
  lk: &secret lk-secret-lk-secret-lk-secret-lk-s
  numeric: 12345678901234567890123456789012
room:
  max_participants: 20
  departure_timeout: 30
  max_metadata_size: 1000
  enabled_codecs:
    - mime: audio/opus
      fmtp_line: ""
    - mime: audio/red
    - mime: video/vp8
  playout_delay: {enabled: false, min: 100}
  sync_streams: false
  room_configurations: {classroom: {name: c, emptytimeout: 60, maxplayoutdelay: 100}}
webhook:
  api_key: lk
  urls: [https://example.org/hook]
  filter_params: {include_events: [room_started]}
logging:
  pion_level: error
  sample: false
limit:
  num_tracks: -1
  bytes_per_sec: 1_000_000_000
  subscription_limit_video: 0
audio: {active_level: 30, active_red_encoding: false, enable_loss_proxying: false}
node_selector: {kind: any}
`

func TestLiveKitFileStartsRollcallAndNamesWhatHasNoEffect(t *testing.T) {
	c := mustLoad(t, livekitFile, nil)
	if c.BindAddresses != nil || !slices.Equal(c.RTC.NodeIPs, []string{"192.0.2.1", "2001:db8::1"}) || !c.TURN.Enabled || c.TURN.TLSPort != 5349 || c.RTC.UDPPort != 7882 || c.RTC.PortRangeEnd != 60000 ||
		c.Room.MaxParticipants != 20 || c.Room.DepartureTimeout != 30*time.Second || c.Limit.MaxMetadataSize != 1000 ||
		c.Keys["numeric"] != "12345678901234567890123456789012" || c.Logging.Level.String() != "DEBUG" ||
		!slices.Equal(c.Room.EnabledCodecs, []string{"audio/opus", "audio/red", "video/VP8"}) ||
		c.Audio.ActiveREDEncoding || c.RTC.TURNServers[0].Host != "turn.example.org" || c.RTC.AllowPause || c.Room.Presets["classroom"].GetEmptyTimeout() != 60 {
		t.Errorf("configuration read wrongly: %+v", c)
	}
	if !slices.Equal(c.Webhook.Include, []string{"room_started"}) {
		t.Errorf("the filter of the webhooks is %q", c.Webhook.Include)
	}

	want := []string{
		"region", "redis", "rtc.pli_throttle",
		"rtc.congestion_control.stream_allocator", "rtc.turn_servers[0].secret", "rtc.turn_servers[0].ttl",
		"logging.pion_level", "limit.bytes_per_sec", "audio.active_level", "node_selector",
	}
	var got []string
	for _, u := range c.Unsupported {
		name, place, ok := strings.Cut(u, " (")
		if !ok || !strings.Contains(place, "r.yaml:") {
			t.Errorf("unsupported key %q does not name its place", u)
		}
		got = append(got, name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("unsupported keys:\n got %q\nwant %q", got, want)
	}

	if len(c.Warnings) != 3 || !strings.Contains(c.Warnings[0], "7882 is used") ||
		!strings.Contains(c.Warnings[1], "no effect beside port_range_start") || !strings.Contains(c.Warnings[2], "use_external_ip") {
		t.Errorf("warnings = %q, want those of the two port ranges and of two external addresses", c.Warnings)
	}
}

func TestShortSecretWarnsOutsideDevelopment(t *testing.T) {
	const body = "keys: {short: s, long: 12345678901234567890123456789012}"
	if c := mustLoad(t, body, nil); len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], `"short"`) {
		t.Errorf("warnings = %q, want one for the short secret", c.Warnings)
	}
	if c := mustLoad(t, body, nil, "--dev"); len(c.Warnings) != 0 {
		t.Errorf("warnings in development = %q, want none", c.Warnings)
	}
}

func TestSingleKeySignsWebhooks(t *testing.T) {
	c := mustLoad(t, goodKeys+"webhook: {urls: [http://127.0.0.1/]}", nil)
	if c.Webhook.APIKey != "front" {
		t.Errorf("webhook key = %q, want the only one", c.Webhook.APIKey)
	}
}

func TestVariablesThatSetNothingAreWarnings(t *testing.T) {
	c := mustLoad(t, goodKeys, []string{
		"ROLLCALL_SERVICE_HOST=10.0.0.1", "ROLLCALL_PORT=tcp://10.0.0.1:7880", "ROLLCALL_RTC_UDPPORT=1", "OTHER=1",
	})
	if c.Port != 7880 || len(c.Warnings) != 3 {
		t.Errorf("port %d, warnings %q; want the default and three", c.Port, c.Warnings)
	}
}

func TestEmptySectionsKeepTheDefaults(t *testing.T) {
	c := mustLoad(t, "# nothing\nport:\nrtc:\nroom: {}\nwebhook: {api_key: , urls: }\n"+goodKeys, nil)
	want := Defaults()
	if c.Port != want.Port || c.RTC.UDPPort != want.RTC.UDPPort || len(c.Unsupported) != 0 {
		t.Errorf("configuration = %+v, want the defaults", c)
	}
}

// Each key of each table is in the vocabulary once, and no supported key is
// also called unsupported.
func TestVocabularyHasNoContradiction(t *testing.T) {
	s := newSchema()
	seen := make(map[string]bool)
	for _, name := range s.names {
		if seen[name] {
			t.Errorf("%s is in the tables twice", name)
		}
		seen[name] = true
		if s.sections[name] {
			t.Errorf("%s is a key and has keys below it", name)
		}
		if got := s.suggest(name + "x"); got != name {
			t.Errorf("%sx suggests %q, want %s", name, got, name)
		}
	}
}
