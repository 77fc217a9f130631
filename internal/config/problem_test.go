package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// problems loads body and returns what is wrong with it, one line each,
// without the directory of the file.
func problems(t *testing.T, body string, environ []string, args ...string) []string {
	t.Helper()
	_, err := load(t, body, environ, args...)
	ps, ok := errors.AsType[Problems](err)
	if !ok {
		t.Fatalf("Load of %q = %v, want problems", body, err)
	}
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("%v does not wrap ErrInvalid", err)
	}
	var lines []string
	for _, p := range ps {
		p.Where = filepath.Base(p.Where)
		lines = append(lines, p.String())
	}
	return lines
}

func TestMistakesNamePlaceKeyAndExpectation(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		// wrong type
		{"text for a number", "port: abc", "r.yaml:1:7: port: expected a whole number from 0 to 65535, not text"},
		{"quoted number", "port: '7880'", "r.yaml:1:7: port: expected a whole number from 0 to 65535, not text"},
		{"fraction", "port: 1.5", "r.yaml:1:7: port: expected a whole number from 0 to 65535, not 1.5"},
		{"out of range", "rtc:\n  tcp_port: 70000", "r.yaml:2:13: rtc.tcp_port: expected a whole number from -1 to 65535, not 70000"},
		{"beyond any integer", "port: 99999999999999999999", "r.yaml:1:7: port: expected a whole number from 0 to 65535, not text"},
		{"list for a number", "port: [1]", "r.yaml:1:7: port: expected a whole number from 0 to 65535, not a list"},
		{"number for a truth", "development: 1", "r.yaml:1:14: development: expected true or false, not 1"},
		{"quoted truth", "development: \"true\"", "r.yaml:1:14: development: expected true or false, not text"},
		{"text for a list", "bind_addresses: 127.0.0.1", "r.yaml:1:17: bind_addresses: expected a list, not text"},
		{"host name for an address", "bind_addresses:\n  - 127.0.0.1\n  - localhost", "r.yaml:3:5: bind_addresses[1]: expected an IP address, such as 0.0.0.0, not text"},
		{"mapping for text", "data_dir: {a: b}", "r.yaml:1:11: data_dir: expected text, not names with values"},
		{"scalar for a section", "rtc: 5", "r.yaml:1:6: rtc: expected names with values (\"name: value\"), not 5"},
		{"list as the whole", "- port: 1", "r.yaml:1:1: expected names with values (\"name: value\"), not a list"},
		{"level", "logging: {level: loud}", "r.yaml:1:18: logging.level: expected debug, info, warn or error, not text"},
		{"negative time", "room: {empty_timeout: -1}", "r.yaml:1:23: room.empty_timeout: expected a whole number of seconds, not -1"},
		{"udp port", "rtc: {udp_port: x-y}", "r.yaml:1:17: rtc.udp_port: expected a port from 0 to 65535, not text"},
		{"udp range turned round", "rtc: {udp_port: 9-8}", "r.yaml:1:17: rtc.udp_port: expected a port from 0 to 65535, not text"},
		{"node address", "rtc: {node_ip: example.org}", "r.yaml:1:16: rtc.node_ip: expected an IP address, not text"},
		{"node address family", "rtc:\n  node_ip:\n    ipv4: x", "r.yaml:3:11: rtc.node_ip.ipv4: expected an IPv4 address, not text"},
		{"range of addresses", "rtc: {ips: {includes: [10.0.0.1]}}", "r.yaml:1:24: rtc.ips.includes[0]: expected a range of IP addresses, such as 10.0.0.0/16, not text"},
		{"codec", "room: {enabled_codecs: [{mime: video/xyz}]}", "r.yaml:1:32: room.enabled_codecs[0].mime: expected one of video/VP8, video/H264, video/VP9, video/AV1, video/H265, audio/opus, audio/red, audio/PCMU, audio/PCMA, not text"},
		{"webhook URL", "webhook: {urls: [ftp://example.org]}", "r.yaml:1:18: webhook.urls[0]: expected an http or https URL, not text"},
		{"turn without host", "rtc:\n  turn_servers:\n    - port: 5", "r.yaml:3:7: rtc.turn_servers[0].host: expected the server's host name"},
		{"turn protocol", "rtc: {turn_servers: [{host: h, protocol: sctp}]}", "r.yaml:1:42: rtc.turn_servers[0].protocol: expected udp, tcp or tls, not text"},
		{"turn port", "rtc: {turn_servers: [{host: h, port: 0}]}", "r.yaml:1:38: rtc.turn_servers[0].port: expected a port from 1 to 65535, not 0"},
		{"secret without text", "keys: {a: [b]}", "r.yaml:1:11: keys.a: expected the key's secret, as text, not a list"},
		{"secret missing", "keys:\n  a:\n", "r.yaml:2:6: keys.a: expected the key's secret, as text, not nothing"},

		// unknown and twice
		{"misspelled", "prot: 1", "r.yaml:1:1: prot: is no key of the configuration; did you mean port?"},
		{"misspelled below", "rtc:\n  upd_port: 7882", "r.yaml:2:3: rtc.upd_port: is no key of the configuration; did you mean rtc.udp_port?"},
		{"misspelled section", "webhooks: {urls: []}", "r.yaml:1:1: webhooks: is no key of the configuration; did you mean webhook?"},
		{"at the wrong place", "udp_port: 7882", "r.yaml:1:1: udp_port: is no key of the configuration; did you mean rtc.udp_port?"},
		{"nothing alike", "colour: red", "r.yaml:1:1: colour: is no key of the configuration"},
		{"in a list", "rtc: {turn_servers: [{host: h, hots: i}]}", "r.yaml:1:32: rtc.turn_servers[0].hots: is no key of the configuration"},
		{"twice", "port: 1\nrtc: {}\nport: 2", "r.yaml:3:1: port: is given twice; first at 1:1"},
		{"twice below", "rtc:\n  udp_port: 1\n  udp_port: 1", "r.yaml:3:3: rtc.udp_port: is given twice; first at 2:3"},
		{"key of a key twice", "keys: {a: b, a: c}", "r.yaml:1:14: keys.a: is given twice; first at 1:8"},

		// YAML
		{"two documents", "port: 1\n---\nport: 2", "r.yaml:3:1: expected one YAML document, found 2"},
		{"merge key", "rtc: {<<: {udp_port: 1}}", "r.yaml:1:7: rtc: expected a plain name before the colon"},
		{"alias to nothing", "port: *p", "r.yaml:1:7: port: expected a whole number from 0 to 65535, not an alias to nothing"},
		{"alias to itself", "rtc: {stun_servers: &b [*b]}", "r.yaml:1:25: rtc.stun_servers[0]: expected text, not a list"},

		// more than one key
		{"same port", "port: 7881", "r.yaml:1:7: rtc.tcp_port: is the same as port, 7881; each needs its own"},
		{"half a range", "rtc: {port_range_start: 50000}", "r.yaml:1:25: rtc.port_range_start: expected both port_range_start and port_range_end"},
		{"range turned round", "rtc: {port_range_start: 9, port_range_end: 8}", "r.yaml:1:25: rtc.port_range_end: 8 is below port_range_start, 9"},
		{"relay without a port", "turn: {enabled: true, udp_port: 0}", "r.yaml:1:17: turn: expected udp_port or tls_port"},
		{"relay without a name", "turn: {enabled: true, tls_port: 443, external_tls: true}", "r.yaml:1:33: turn.domain: expected the name that clients reach tls_port by"},
		{"relay without a certificate", "turn: {enabled: true, tls_port: 443, domain: d}", "r.yaml:1:33: turn.cert_file: expected cert_file and key_file, tls, or external_tls: true"},
		{"relay on the media port", "turn: {enabled: true, udp_port: 7882}", "r.yaml:1:33: turn.udp_port: is the same as rtc.udp_port, 7882; each needs its own"},
		{"relay on the HTTP port", "turn: {enabled: true, tls_port: 7880, domain: d, external_tls: true}", "r.yaml:1:33: turn.tls_port: 7880 is taken by port or rtc.tcp_port; each needs its own"},
		{"relays turned round", "turn: {enabled: true, relay_range_end: 9}", "r.yaml:1:40: turn.relay_range_end: 9 is below relay_range_start, 30000"},
		{"webhook key", "webhook: {api_key: k, urls: [http://h]}", `r.yaml:1:20: webhook.api_key: "k" is none of the keys`},
		{"no webhook key", "keys: {a: b, c: d}\nwebhook: {urls: [http://h]}", "r.yaml:2:17: webhook.api_key: expected one of the keys, to sign the webhooks with"},
		{"no data directory", "data_dir: ''", "r.yaml:1:11: data_dir: expected a directory, not nothing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			env := []string{"ROLLCALL_KEYS=front: front-secret-front-secret-front-s"}
			if strings.Contains(tc.body, "keys:") {
				env = nil
			}
			got := problems(t, tc.body, env)
			if len(got) == 0 || got[0] != tc.want {
				t.Errorf("problems of %q:\n got %s\nwant %s", tc.body, strings.Join(got, "\n     "), tc.want)
			}
		})
	}
}

func TestMistakesInVariablesAndFlagsNameThem(t *testing.T) {
	env := []string{"ROLLCALL_KEYS=k: s", "ROLLCALL_RTC_UDP_PORT=many"}
	if got, want := problems(t, "", env)[0], "ROLLCALL_RTC_UDP_PORT: rtc.udp_port: expected a port from 0 to 65535, not what it holds"; got != want {
		t.Errorf("problem = %q, want %q", got, want)
	}
	if got, want := problems(t, "", []string{"ROLLCALL_CONFIG=\nprot: 1"})[0], "ROLLCALL_CONFIG:2:1: prot: is no key of the configuration; did you mean port?"; got != want {
		t.Errorf("problem = %q, want %q", got, want)
	}
	if got, want := problems(t, "", nil, "--keys", "k:s")[0], `--keys:1:1: keys: expected names with values ("name: value"), not text`; got != want {
		t.Errorf("problem = %q, want %q", got, want)
	}
	if got, want := problems(t, "", nil, "--dev", "--bind", "localhost")[0], "--bind: bind_addresses[0]: expected an IP address, such as 0.0.0.0, not what it holds"; got != want {
		t.Errorf("problem = %q, want %q", got, want)
	}
}

func TestAllMistakesAreReportedUpToTen(t *testing.T) {
	got := problems(t, "port: a\nrtc: {udp_port: b}\nprot: 1", nil)
	if len(got) != 3 {
		t.Errorf("%d problems reported: %q, want 3", len(got), got)
	}
	var body strings.Builder
	for range 5 {
		body.WriteString(strings.Repeat("x", body.Len()+1) + ": 1\n")
	}
	body.WriteString("a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\n")
	_, err := load(t, body.String(), nil)
	if err == nil || !strings.HasSuffix(err.Error(), "and 3 more") {
		t.Errorf("error = %v, want it to end after ten", err)
	}
}

func TestNoMessageRepeatsASecret(t *testing.T) {
	const secret = "hunter2hunter2"
	for _, body := range []string{
		"keys:\n  a: \"" + secret,
		"keys:\n  a: " + secret + "\n b: c",
		"keys:\n  a: " + secret + "\n  a: " + secret,
		"keys: " + secret,
		"keys: [a: " + secret + "]",
		"keys: {a: {b: " + secret + "}}",
		"keys:\n\ta: " + secret,
		"keys: {a: " + secret,
		"keys: {a: !!int " + secret + "}\nport: x",
		"rtc: {turn_servers: [{host: h, credential: [" + secret + "]}]}",
		"webhook: {urls: [\"ftp://u:" + secret + "@h\"]}",
		"data_dir: " + secret + "\n  - x: 'y",
	} {
		_, err := load(t, body, nil)
		if err == nil {
			t.Errorf("%q loads", body)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("message repeats the secret: %v", err)
		}
	}
	_, err := load(t, "", []string{"ROLLCALL_KEYS=" + secret})
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("message = %v, want one without the secret", err)
	}
}

func TestMissingFileSaysSo(t *testing.T) {
	_, err := load(t, "", nil, "--config", filepath.Join(t.TempDir(), "nowhere.yaml"))
	if err == nil || !strings.Contains(err.Error(), "nowhere.yaml") {
		t.Errorf("error = %v, want it to name the file", err)
	}
}
