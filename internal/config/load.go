package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Load merges the defaults, the file that flags name, the environment (as
// os.Environ returns it) and the flags. Mistakes in them are Problems; a
// configuration that lacks API keys is ErrNoKeys.
func Load(flags *Flags, environ []string) (*Config, error) {
	m := &merge{schema: newSchema(), cfg: Defaults(), set: make(map[string]string)}
	env := environment(environ)
	if flags.File != "" {
		body, err := os.ReadFile(flags.File)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		m.source(flags.File).document(body)
	}
	m.applyEnvironment(env)
	flags.apply(m)
	if m.cfg.KeyFile != "" {
		m.readKeyFile(env)
	}
	m.develop()
	m.cfg.Tracing.Enabled = traces(m.cfg.Tracing, env)
	m.validate()
	if len(m.problems) > 0 {
		return nil, m.problems
	}
	if len(m.cfg.Keys) == 0 {
		return nil, ErrNoKeys
	}
	m.cfg.Where = m.set
	return m.cfg, nil
}

// readKeyFile replaces the keys by those of the file.
func (m *merge) readKeyFile(env map[string]string) {
	path := os.Expand(m.cfg.KeyFile, func(name string) string { return env[name] })
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		path = filepath.Join(env["HOME"], rest)
	}
	where := m.set["key_file"]
	info, err := os.Stat(path)
	switch {
	case err != nil:
		m.problem(where, "key_file", "cannot be read: %v", err)
		return
	case info.Mode().Perm()&0o007 != 0:
		m.problem(where, "key_file", "%s can be used by every user of this machine (mode %04o); run: chmod o= %s",
			path, info.Mode().Perm(), path)
		return
	}
	body, err := os.ReadFile(path)
	if err != nil {
		m.problem(where, "key_file", "cannot be read: %v", err)
		return
	}
	s := m.source(path)
	root, ok := s.parse(body)
	if !ok {
		return
	}
	if root == nil {
		s.problem(path, "", "holds no API keys")
		return
	}
	apiKeys(s, "", value{source: s, node: root})
}

// develop fills in what --dev promises, where nothing else was said.
func (m *merge) develop() {
	if !m.cfg.Development {
		return
	}
	if len(m.cfg.Keys) == 0 && m.cfg.KeyFile == "" {
		m.cfg.Keys = Keys{DevKey: DevSecret}
	}
	if _, ok := m.set["bind_addresses"]; !ok {
		m.cfg.BindAddresses = []string{"127.0.0.1", "::1"}
	}
	if _, ok := m.set["rtc.enable_loopback_candidate"]; !ok {
		m.cfg.RTC.LoopbackCandidates = true
	}
}

// traces says whether there is somewhere to send traces to, and nothing says that
// there shall be none. The variables are those of the OpenTelemetry SDKs.
func traces(t Tracing, env map[string]string) bool {
	if strings.EqualFold(env["OTEL_SDK_DISABLED"], "true") || env["OTEL_TRACES_EXPORTER"] == "none" {
		return false
	}
	return t.Endpoint != "" || env["OTEL_EXPORTER_OTLP_ENDPOINT"] != "" || env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] != ""
}
