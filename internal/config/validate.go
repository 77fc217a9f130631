package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
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
	m.validateWebhook()
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

func (m *merge) validateWebhook() {
	w := &m.cfg.Webhook
	if len(w.URLs) == 0 {
		return
	}
	where := m.where("webhook.api_key", "webhook.urls")
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
