package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/testing/protocmp"
)

const goodKeys = "keys:\n  front: front-secret-front-secret-front-s\n"

// load is what a command line does: args, environment, and body as the file.
func load(t testing.TB, body string, environ []string, args ...string) (*Config, error) {
	t.Helper()
	if body != "" {
		path := filepath.Join(t.TempDir(), "r.yaml")
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"--config", path}, args...)
	}
	var f Flags
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	f.Register(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(&f, environ)
}

func mustLoad(t testing.TB, body string, environ []string, args ...string) *Config {
	t.Helper()
	c, err := load(t, body, environ, args...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRollcallYAMLIsTheDefaultsAndNamesEveryKey(t *testing.T) {
	body, err := os.ReadFile("../../rollcall.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := &merge{schema: newSchema(), cfg: &Config{}, set: make(map[string]string)}
	m.source("rollcall.yaml").document(body)
	if len(m.problems) > 0 {
		t.Fatal(m.problems)
	}
	m.cfg.Keys = nil // "keys: {}"
	if diff := cmp.Diff(Defaults(), m.cfg); diff != "" {
		t.Errorf("rollcall.yaml differs from the defaults (-defaults +file):\n%s", diff)
	}
	for _, k := range supported {
		if _, ok := m.set[k.path]; !ok {
			t.Errorf("rollcall.yaml does not name %s", k.path)
		}
	}
}

func TestConfigurationReferenceHasEveryKeyWithItsVariable(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range supported {
		if !strings.Contains(string(page), "\n| `"+k.path+"` | ") || !strings.Contains(string(page), "| `"+variable(k.path)+"` |") {
			t.Errorf("docs/configuration.md has not %s with %s: go test ./internal/gendocs -update", k.path, variable(k.path))
		}
	}
}

func TestEveryKeyReachesItsField(t *testing.T) {
	got := mustLoad(t, `
port: 1
bind_addresses: [10.0.0.1, "::"]
trusted_proxies: [192.0.2.1/24]
data_dir: /var/lib/rollcall
keys: {front: front-secret-front-secret-front-s, back: 1234567890_1234567890_1234567890_12}
tls:
  cert_file: c.pem
  key_file: k.pem
  redirect_port: 80
  acme: {email: a@example.org, directory: "https://ca.example.org/dir", ca_file: ca.pem, cache_dir: /var/cache/acme}
ingress:
  rtmp_base_url: rtmp://live.example.org/live
  whip_base_url: https://example.org/w
  rtmp: {port: 1935, tls_port: 1936, connections_per_address: 5}
  ffmpeg: /opt/ffmpeg
  lip_sync_delay: 80
  allow_networks: [10.0.0.0/8]
rtc:
  udp_port: 2
  tcp_port: -1
  node_ip: {ipv6: "2001:db8::7", ipv4: 192.0.2.7}
  advertise_internal_ip: true
  interfaces: {includes: [en0], excludes: [docker0]}
  ips: {includes: [10.0.0.0/16], excludes: [192.168.1.0/24]}
  enable_loopback_candidate: yes
  use_ice_lite: true
  congestion_control: {allow_pause: false}
  stun_servers: [stun.example.org:3478]
  turn_servers:
    - {host: turn.example.org, port: 443, protocol: tls, username: u, credential: c}
    - host: other.example.org
turn:
  enabled: true
  udp_port: -1
  tls_port: 443
  domain: relay.example.org
  cert_file: cert.pem
  key_file: key.pem
  external_tls: true
  bind_addresses: [10.0.0.2]
  relay_range_start: 10
  relay_range_end: 11
  max_allocations: 12
  max_address_allocations: 13
  max_bitrate: 0
room:
  auto_create: false
  max_participants: 3
  empty_timeout: 4
  departure_timeout: 5
  enabled_codecs: [{mime: AUDIO/OPUS}, mime: video/h264]
  enable_remote_unmute: true
  duplicate_identity: reject
  sync_streams: true
  room_configurations: {class: {max_participants: 9}}
webhook: {api_key: back, urls: ["https://example.org/hook"]}
log: {retention_age: 36h, retention_size: 10GiB, quota: 20 GB}
prometheus: {port: 9001, bind_addresses: [10.0.0.3], username: scraper, password: hush, main_port: true}
admin: {port: 9002, bind_addresses: [10.0.0.4]}
drain: {delay: 30s, webhooks: 3s, timeout: 20s}
tracing: {endpoint: "http://collector:4318"}
logging: {level: warn, json: true}
egress: {directory: /rec, upload_patience: 0, max_jobs: 4, max_cpu: 50, page_memory: 1GiB, session_limits: {max_duration: 90m, max_size: 1GiB}}
audio: {active_red_encoding: false}
limit:
  max_metadata_size: 6
  max_attributes_size: 7
  max_room_name_length: 8
  max_participant_identity_length: 9
  max_participant_name_length: 0
  max_tracks: 10
  joins_per_key: 11
  joins_per_address: 12
  connections_per_address: 13
  signal_messages: 14
  signal_bytes: 15
  data_messages: 16
  data_bytes: 17
  media_bits: 18
  requests_per_key: 0
`, nil)
	want := &Config{
		Port: 1, BindAddresses: []string{"10.0.0.1", "::"}, DataDir: "/var/lib/rollcall",
		TrustedProxies: []string{"192.0.2.1/24"},
		Keys:           Keys{"front": "front-secret-front-secret-front-s", "back": "1234567890_1234567890_1234567890_12"},
		TLS:            TLS{"c.pem", "k.pem", 80, ACME{nil, "a@example.org", "https://ca.example.org/dir", "ca.pem", "/var/cache/acme"}},
		Ingress: Ingress{
			RTMPBaseURL: "rtmp://live.example.org/live", WHIPBaseURL: "https://example.org/w",
			RTMP: RTMP{Port: 1935, TLSPort: 1936, ConnectionsPerAddress: 5}, FFmpeg: "/opt/ffmpeg", LipSyncDelay: 80, AllowNetworks: []string{"10.0.0.0/8"},
		},
		RTC: RTC{
			UDPPort: 2, TCPPort: -1, NodeIPs: []string{"2001:db8::7", "192.0.2.7"}, AdvertiseInternalIP: true,
			Interfaces:         Filter{Includes: []string{"en0"}, Excludes: []string{"docker0"}},
			IPs:                Filter{Includes: []string{"10.0.0.0/16"}, Excludes: []string{"192.168.1.0/24"}},
			LoopbackCandidates: true, ICELite: true, STUNServers: []string{"stun.example.org:3478"},
			TURNServers: []TURNServer{
				{Host: "turn.example.org", Port: 443, Protocol: "tls", Username: "u", Credential: "c"},
				{Host: "other.example.org", Port: 3478, Protocol: "udp"},
			},
		},
		TURN: TURN{
			Enabled: true, UDPPort: -1, TLSPort: 443, Domain: "relay.example.org", CertFile: "cert.pem", KeyFile: "key.pem",
			ExternalTLS: true, BindAddresses: []string{"10.0.0.2"}, RelayRangeStart: 10, RelayRangeEnd: 11,
			MaxAllocations: 12, MaxAddressAllocations: 13,
		},
		Room: Room{
			MaxParticipants: 3, EmptyTimeout: 4 * time.Second, DepartureTimeout: 5 * time.Second,
			EnabledCodecs: []string{"audio/opus", "video/H264"}, EnableRemoteUnmute: true,
			DuplicateIdentity: Reject, SyncStreams: true,
			Presets: map[string]*livekit.RoomConfiguration{"class": {Name: "class", MaxParticipants: 9}},
		},
		Webhook: Webhook{APIKey: "back", URLs: []string{"https://example.org/hook"}},
		Log:     Log{36 * time.Hour, 10 << 30, 20e9},
		Logging: Logging{Level: slog.LevelWarn, JSON: true},
		Prometheus: Prometheus{
			Port: 9001, BindAddresses: []string{"10.0.0.3"}, Username: "scraper", Password: "hush", MainPort: true,
		},
		Tracing: Tracing{true, "http://collector:4318"},
		Egress:  Egress{Directory: "/rec", MaxJobs: 4, MaxCPU: 50, PageMemory: 1 << 30, MaxDuration: 90 * time.Minute, MaxSize: 1 << 30},
		Drain:   Drain{30 * time.Second, 3 * time.Second, 20 * time.Second},
		Admin:   Admin{Port: 9002, BindAddresses: []string{"10.0.0.4"}},
		Limit:   Limit{6, 7, 8, 9, maxInt, 10, 11, 12, 13, 14, 15, 16, 17, 18, maxInt},
	}
	got.Where = nil
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestLaterSourcesWin(t *testing.T) {
	file := goodKeys + "port: 1\ndata_dir: f\nrtc: {udp_port: 2, node_ip: 192.0.2.1}\nroom: {max_participants: 9}\n"
	env := []string{"ROLLCALL_CONFIG=port: 3\ndata_dir: body", "ROLLCALL_DATA_DIR=env", "ROLLCALL_RTC_NODE_IP=192.0.2.2", "PATH=/bin"}
	got := mustLoad(t, file, env, "--node-ip", "192.0.2.3", "--bind", "127.0.0.1", "--bind", "127.0.0.2", "--log-level", "debug", "--log-level", "error")
	want := Defaults()
	want.Keys = Keys{"front": "front-secret-front-secret-front-s"}
	want.Port = 3                                           // document in the environment over file
	want.DataDir = "env"                                    // variable over document
	want.RTC.NodeIPs = []string{"192.0.2.3"}                // flag over variable
	want.RTC.UDPPort = 2                                    // file over default
	want.Room.MaxParticipants = 9                           //
	want.BindAddresses = []string{"127.0.0.1", "127.0.0.2"} // repeated flag
	want.Logging.Level = slog.LevelError                    // last one of a flag
	got.Where = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestEveryKindOfKeyCanComeFromTheEnvironment(t *testing.T) {
	got := mustLoad(t, "", []string{
		"ROLLCALL_KEYS=front: front-secret-front-secret-front-s\nback: back-secret-back-secret-back-secr",
		"ROLLCALL_BIND_ADDRESSES=127.0.0.1, 127.0.0.2",
		"ROLLCALL_RTC_USE_ICE_LITE=1",
		"ROLLCALL_ROOM_EMPTY_TIMEOUT=7",
		"ROLLCALL_ROOM_ENABLED_CODECS=audio/opus,video/VP9",
		"ROLLCALL_LOGGING_LEVEL=debug",
		"ROLLCALL_WEBHOOK_API_KEY=back",
		"ROLLCALL_WEBHOOK_URLS=http://127.0.0.1:1/a,http://127.0.0.1:1/b",
		"ROLLCALL_PORT=",
	})
	want := Defaults()
	want.Keys = Keys{"front": "front-secret-front-secret-front-s", "back": "back-secret-back-secret-back-secr"}
	want.BindAddresses = []string{"127.0.0.1", "127.0.0.2"}
	want.RTC.ICELite = true
	want.Room.EmptyTimeout = 7 * time.Second
	want.Room.EnabledCodecs = []string{"audio/opus", "video/VP9"}
	want.Logging.Level = slog.LevelDebug
	want.Webhook = Webhook{APIKey: "back", URLs: []string{"http://127.0.0.1:1/a", "http://127.0.0.1:1/b"}}
	got.Where = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestLiveKitVariablesAreReadUnlessOursAreThere(t *testing.T) {
	livekit := []string{"LIVEKIT_CONFIG=port: 5", "LIVEKIT_KEYS=lk: lk-secret-lk-secret-lk-secret-lk-s"}
	if c := mustLoad(t, "", livekit); c.Port != 5 || c.Keys["lk"] == "" {
		t.Errorf("port %d, %v; want LiveKit's variables read", c.Port, slices.Collect(maps.Keys(c.Keys)))
	}
	both := append(livekit, "ROLLCALL_CONFIG=port: 6", "ROLLCALL_KEYS=rc: rc-secret-rc-secret-rc-secret-rc-s")
	if c := mustLoad(t, "", both); c.Port != 6 || c.Keys["rc"] == "" || c.Keys["lk"] != "" {
		t.Errorf("port %d, %v; want ours to win", c.Port, slices.Collect(maps.Keys(c.Keys)))
	}
}

func TestDevelopmentFillsInWhatWasNotSaid(t *testing.T) {
	c := mustLoad(t, "", nil, "--dev")
	if c.Keys[DevKey] != DevSecret || !slices.Equal(c.BindAddresses, []string{"127.0.0.1", "::1"}) || !c.RTC.LoopbackCandidates {
		t.Errorf("development gives keys %v, addresses %v, loopback %t", c.Keys, c.BindAddresses, c.RTC.LoopbackCandidates)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("development warns: %q", c.Warnings)
	}
	c = mustLoad(t, goodKeys+"rtc: {enable_loopback_candidate: false}", nil, "--dev", "--bind", "0.0.0.0")
	if c.Keys[DevKey] != "" || !slices.Equal(c.BindAddresses, []string{"0.0.0.0"}) || c.RTC.LoopbackCandidates {
		t.Errorf("development overrides what was said: keys %v, addresses %v, loopback %t", c.Keys, c.BindAddresses, c.RTC.LoopbackCandidates)
	}
}

func TestMissingKeysTellHowToMakeThem(t *testing.T) {
	_, err := load(t, "port: 7880", nil)
	if !errors.Is(err, ErrNoKeys) {
		t.Fatalf("Load = %v, want ErrNoKeys", err)
	}
	for _, hint := range []string{"ROLLCALL_KEYS", "openssl rand", "--dev"} {
		if !strings.Contains(err.Error(), hint) {
			t.Errorf("%q does not mention %s", err, hint)
		}
	}
}

func TestKeysDoNotPrintTheirSecrets(t *testing.T) {
	k := Keys{"front": "front-secret"}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("loaded", "keys", k)
	for _, out := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v", k, k, k), logged.String()} {
		if strings.Contains(out, "front-secret") {
			t.Errorf("secret printed: %s", out)
		}
	}
}

func TestKeyFileReplacesKeysAndMustBePrivate(t *testing.T) {
	dir := t.TempDir()
	write := func(name, body string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(body), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		return path
	}
	write("keys", "fromfile: file-secret-file-secret-file-secre\nother.key: 12345678901234567890123456789012", 0o640)
	for _, env := range [][]string{{"HOME=" + dir, "ROLLCALL_KEY_FILE=~/keys"}, {"D=" + dir, "ROLLCALL_KEY_FILE=$D/keys"}} {
		c := mustLoad(t, goodKeys, env)
		if want := (Keys{"fromfile": "file-secret-file-secret-file-secre", "other.key": "12345678901234567890123456789012"}); !maps.Equal(c.Keys, want) {
			t.Errorf("keys = %v, want those of the file", slices.Collect(maps.Keys(c.Keys)))
		}
	}
	for name, says := range map[string]string{
		write("open", "a: b", 0o644):        "chmod o=",
		write("empty", "", 0o600):           "no API keys",
		write("list", "[a]", 0o600):         "expected names with values",
		write("torn", "a: \"b", 0o600):      "is not YAML",
		filepath.Join(dir, "not-there"):     "cannot be read",
		write("nosecret", "a: \n", 0o600):   "secret",
		write("nested", "a: {b: 1}", 0o600): "secret",
	} {
		_, err := load(t, goodKeys, nil, "--key-file", name)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("key file %s: %v, want %q", filepath.Base(name), err, says)
		}
	}
}

func TestTracingIsOnWhenThereIsSomewhereToSendTo(t *testing.T) {
	for _, c := range []struct {
		body string
		env  []string
		want bool
	}{
		{"", nil, false},
		{"tracing: {endpoint: 'http://c:4318'}\n", nil, true},
		{"", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318"}, true},
		{"", []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c:4318/v1/traces"}, true},
		{"tracing: {endpoint: 'http://c:4318'}\n", []string{"OTEL_SDK_DISABLED=true"}, false},
		{"tracing: {endpoint: 'http://c:4318'}\n", []string{"OTEL_TRACES_EXPORTER=none"}, false},
	} {
		if got := mustLoad(t, goodKeys+c.body, c.env).Tracing.Enabled; got != c.want {
			t.Errorf("%q with %q: %v", c.body, c.env, got)
		}
	}
}
