package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

const prefix = "ROLLCALL_"

// environment splits "NAME=value" strings, as os.Environ returns them.
func environment(environ []string) map[string]string {
	env := make(map[string]string)
	for _, e := range environ {
		if name, text, ok := strings.Cut(e, "="); ok && text != "" {
			env[name] = text
		}
	}
	return env
}

// applyEnvironment applies the document in ROLLCALL_CONFIG, then the single
// keys: ROLLCALL_RTC_UDP_PORT is rtc.udp_port. LiveKit's two variables are
// read when ours are not there.
func (m *merge) applyEnvironment(env map[string]string) {
	for _, name := range []string{"ROLLCALL_CONFIG", "LIVEKIT_CONFIG"} {
		if body := env[name]; body != "" {
			m.source(name).document([]byte(body))
			break
		}
	}
	variables := make(map[string]string) // name: path
	for path := range m.schema.setters {
		variables[variable(path)] = path
	}
	if env["ROLLCALL_KEYS"] == "" {
		variables["LIVEKIT_KEYS"] = "keys"
	}
	for _, name := range slices.SortedFunc(maps.Keys(env), cmp.Compare[string]) {
		path, ok := variables[name]
		switch {
		case name == "ROLLCALL_PORT" && strings.HasPrefix(env[name], "tcp://"):
			// Kubernetes' own, for a service called rollcall.
			m.cfg.Warnings = append(m.cfg.Warnings, name+": holds a service's address, not a port, and sets nothing")
		case ok:
			s := m.source(name)
			s.apply(path, value{source: s, text: env[name]})
		case name == "ROLLCALL_CONFIG" || !strings.HasPrefix(name, prefix):
		default:
			// Not an error: orchestrators put variables of such names into
			// the environment of every process.
			m.cfg.Warnings = append(m.cfg.Warnings, name+": is an environment variable that sets nothing")
		}
	}
}

func variable(path string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}
