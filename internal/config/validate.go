package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// goodSecret is the length below which an HS256 secret can be guessed offline
// from a token (RFC 7518 §3.2: as long as the hash).
const goodSecret = 32

// validate checks what concerns more than one key.
func (m *merge) validate() {
	c := m.cfg
	if c.DataDir == "" {
		m.problem(m.where("data_dir"), "data_dir", "expected a directory, not nothing")
	}
	if c.Port != 0 && c.Port == c.RTC.TCPPort {
		m.problem(m.where("rtc.tcp_port", "port"), "rtc.tcp_port", "is the same as port, %d; each needs its own", c.Port)
	}
	m.validateRange()
	m.validateExternal()
	m.validateTLS()
	m.validateTURN()
	if d := c.Drain; d.Timeout <= d.Webhooks {
		m.problem(m.where("drain.timeout", "drain.webhooks"), "drain.timeout", "%v is not more than webhooks, %v", d.Timeout, d.Webhooks)
	}
	m.validateEgress()
	m.validateWebhook()
	m.validatePorts()
	for _, name := range slices.Sorted(maps.Keys(c.Keys)) {
		if len(c.Keys[name]) < goodSecret && !c.Development {
			c.Warnings = append(c.Warnings, fmt.Sprintf(
				"keys: the secret of API key %q is shorter than %d characters, so that it can be guessed from a token", name, goodSecret))
		}
	}
}

func (m *merge) validateRange() {
	first, last := m.cfg.RTC.PortRangeStart, m.cfg.RTC.PortRangeEnd
	where := m.where("rtc.port_range_start", "rtc.port_range_end")
	switch {
	case first == 0 && last == 0:
	case first == 0 || last == 0:
		m.problem(where, "rtc.port_range_start", "expected both port_range_start and port_range_end")
	case last < first:
		m.problem(where, "rtc.port_range_end", "%d is below port_range_start, %d", last, first)
	default:
		if at, ok := m.set["rtc.udp_port"]; ok && m.cfg.RTC.UDPPort != 0 {
			m.cfg.Warnings = append(m.cfg.Warnings, fmt.Sprintf(
				"rtc.udp_port (%s): has no effect beside port_range_start and port_range_end", at))
		}
	}
}

// validateExternal names what makes asking for the external address useless.
func (m *merge) validateExternal() {
	if m.cfg.RTC.UseExternalIP && len(m.cfg.RTC.NodeIPs) > 0 {
		m.cfg.Warnings = append(m.cfg.Warnings, fmt.Sprintf(
			"rtc.use_external_ip (%s): has no effect on the address families that node_ip has an address of", m.where("rtc.use_external_ip")))
	}
}

func (m *merge) validateTLS() {
	t := m.cfg.TLS
	switch {
	case (t.CertFile == "") != (t.KeyFile == ""):
		m.problem(m.where("tls.cert_file", "tls.key_file"), "tls", "expected both cert_file and key_file, or neither")
	case t.CertFile != "" && len(t.ACME.Domains) > 0:
		m.problem(m.where("tls.acme.domains"), "tls.acme.domains", "expected either cert_file or domains to get certificates for")
	case t.RedirectPort != 0 && !t.Enabled():
		m.problem(m.where("tls.redirect_port"), "tls.redirect_port", "expected cert_file and key_file, or acme.domains: there is nothing to redirect to")
	}
	for _, d := range t.ACME.Domains {
		if _, err := netip.ParseAddr(d); err == nil || strings.Contains(d, "*") || !strings.Contains(d, ".") {
			m.problem(m.where("tls.acme.domains"), "tls.acme.domains", "expected names such as rooms.example.com, not %.64q", d)
		}
	}
	if u := m.cfg.TURN; u.Enabled && u.TLSPort != 0 && !u.ExternalTLS && u.CertFile == "" && len(t.ACME.Domains) > 0 && u.Domain != "" &&
		!slices.Contains(t.ACME.Domains, u.Domain) {
		m.problem(m.where("turn.domain"), "turn.domain", "expected one of tls.acme.domains, for a certificate, or cert_file and key_file")
	}
}

func (m *merge) validateTURN() {
	t := &m.cfg.TURN
	if !t.Enabled {
		return
	}
	where := m.where("turn.enabled")
	if t.UDPPort == 0 && t.TLSPort == 0 {
		m.problem(where, "turn", "expected udp_port or tls_port")
	}
	if t.TLSPort != 0 {
		if t.Domain == "" {
			m.problem(m.where("turn.tls_port"), "turn.domain", "expected the name that clients reach tls_port by")
		}
		if !t.ExternalTLS && !m.cfg.TLS.Enabled() && (t.CertFile == "" || t.KeyFile == "") {
			m.problem(m.where("turn.tls_port"), "turn.cert_file", "expected cert_file and key_file, tls, or external_tls: true")
		}
	}
	if t.RelayRangeEnd < t.RelayRangeStart {
		m.problem(m.where("turn.relay_range_end", "turn.relay_range_start"), "turn.relay_range_end",
			"%d is below relay_range_start, %d", t.RelayRangeEnd, t.RelayRangeStart)
	}
	if udp := m.cfg.RTC.UDPPort; udp != 0 && udp == t.UDPPort && m.cfg.RTC.PortRangeEnd == 0 {
		m.problem(m.where("turn.udp_port"), "turn.udp_port", "is the same as rtc.udp_port, %d; each needs its own", udp)
	}
	if shared := m.cfg.SharesTLS(); t.TLSPort > 0 && (t.TLSPort == m.cfg.Port && !shared || t.TLSPort == m.cfg.RTC.TCPPort) {
		m.problem(m.where("turn.tls_port"), "turn.tls_port", "%d is taken by port or rtc.tcp_port; each needs its own", t.TLSPort)
	}
}

// validatePorts checks the ports of metrics and administration.
func (m *merge) validatePorts() {
	c := m.cfg
	taken := map[int]string{c.Port: "port", c.RTC.TCPPort: "rtc.tcp_port"}
	for _, p := range []struct {
		key  string
		port int
	}{{"tls.redirect_port", c.TLS.RedirectPort}, {"prometheus.port", c.Prometheus.Port}, {"admin.port", c.Admin.Port},
		{"ingress.rtmp.port", c.Ingress.RTMP.Port}, {"ingress.rtmp.tls_port", c.Ingress.RTMP.TLSPort}} {
		if p.port <= 0 {
			continue
		}
		if other, ok := taken[p.port]; ok {
			m.problem(m.where(p.key), p.key, "is the same as %s, %d; each needs its own", other, p.port)
		}
		taken[p.port] = p.key
	}
	if c.Ingress.RTMP.TLSPort != 0 && !c.TLS.Enabled() {
		m.problem(m.where("ingress.rtmp.tls_port"), "ingress.rtmp.tls_port", "needs tls")
	}
	if p := c.Prometheus; (p.Username == "") != (p.Password == "") {
		m.problem(m.where("prometheus.username", "prometheus.password"), "prometheus", "expected both username and password, or neither")
	} else if p.MainPort && p.Password == "" {
		m.problem(m.where("prometheus.main_port"), "prometheus.main_port", "expected username and password too: the port is open to everybody")
	}
}

func (m *merge) validateEgress() {
	for _, one := range []struct {
		key string
		s   *Storage
	}{{"egress.storage", &m.cfg.Egress.Storage}, {"egress.backup", &m.cfg.Egress.Backup}} {
		stores := map[string]bool{"s3.bucket": one.s.S3 != S3{}, "gcp.bucket": one.s.GCP != GCP{}, "azure.container_name": one.s.Azure != Azure{}}
		maps.DeleteFunc(stores, func(_ string, is bool) bool { return !is })
		if len(stores) > 1 {
			m.problem(m.where(one.key), one.key, "expected one of s3, gcp and azure")
		}
		for key := range stores {
			if (one.s.S3.Bucket + one.s.GCP.Bucket + one.s.Azure.Container) == "" {
				m.problem(m.where(one.key), one.key+"."+key, "is missing")
			}
		}
	}
}

func (m *merge) validateWebhook() {
	w := &m.cfg.Webhook
	needed := len(w.URLs) > 0
	for i := range w.Endpoints {
		e := &w.Endpoints[i]
		needed = needed || e.APIKey == ""
		if _, ok := m.cfg.Keys[e.APIKey]; !ok && e.APIKey != "" && len(m.cfg.Keys) > 0 {
			m.problems = append(m.problems, e.Problem(i, "api_key", fmt.Sprintf("%.64q is none of the keys", e.APIKey)))
		}
	}
	if !needed {
		return
	}
	where := m.where("webhook.api_key", "webhook.urls", "webhook.endpoints")
	if w.APIKey == "" && len(m.cfg.Keys) == 1 {
		for name := range m.cfg.Keys {
			w.APIKey = name
		}
	}
	if w.APIKey == "" {
		m.problem(where, "webhook.api_key", "expected one of the keys, to sign the webhooks with")
	} else if _, ok := m.cfg.Keys[w.APIKey]; !ok && len(m.cfg.Keys) > 0 {
		m.problem(where, "webhook.api_key", "%.64q is none of the keys", w.APIKey)
	}
}

// where is the place of the first of paths that was given.
func (m *merge) where(paths ...string) string {
	for _, path := range paths {
		if at, ok := m.set[path]; ok {
			return at
		}
	}
	return cmp.Or(m.set[paths[0]], "defaults")
}
