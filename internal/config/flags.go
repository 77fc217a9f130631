package config

import (
	"flag"
	"strings"
)

// Flags are the settings given on the command line.
type Flags struct {
	// File is the path of the configuration file; empty means none.
	File string

	given []flagValue // in the order of the command line
}

type flagValue struct{ flag, path, text string }

// flagTable are the flags that stand for a key.
var flagTable = []struct{ name, path, usage string }{
	{"bind", "bind_addresses", "IP `address` to listen on; may be repeated (default all; with --dev loopback only)"},
	{"port", "port", "`port` of the page, the API and signalling (default 7880)"},
	{"udp-port", "rtc.udp_port", "UDP `port` for media (default 7882)"},
	{"tcp-port", "rtc.tcp_port", "TCP `port` for media, 0 for none (default 7881)"},
	{"node-ip", "rtc.node_ip", "IP `address` to advertise to clients"},
	{"data-dir", "data_dir", "`directory` of the event log (default rollcall-data)"},
	{"keys", "keys", "API keys, each as `\"key: secret\"` on its own line"},
	{"key-file", "key_file", "`file` with API keys"},
	{"log-level", "logging.level", "`level`: debug, info, warn or error (default info)"},
}

// Register adds all flags to fs.
func (f *Flags) Register(fs *flag.FlagSet) { f.register(fs, "") }

// RegisterKeys adds the flags that say which API keys there are.
func (f *Flags) RegisterKeys(fs *flag.FlagSet) { f.register(fs, "key") }

func (f *Flags) register(fs *flag.FlagSet, prefix string) {
	fs.StringVar(&f.File, "config", "", "configuration `file` (YAML); see rollcall.yaml for every key")
	fs.BoolFunc("dev", "development: key devkey, secret secret, and loopback addresses only", func(text string) error {
		f.given = append(f.given, flagValue{"dev", "development", text})
		return nil
	})
	for _, entry := range flagTable {
		if !strings.HasPrefix(entry.name, prefix) {
			continue
		}
		fs.Func(entry.name, entry.usage, func(text string) error {
			f.given = append(f.given, flagValue{entry.name, entry.path, text})
			return nil
		})
	}
}

// apply lets a repeated flag make a list.
func (f *Flags) apply(m *merge) {
	texts := make(map[string][]string)
	for _, g := range f.given {
		if g.path != "bind_addresses" {
			texts[g.path] = nil // the last one counts
		}
		texts[g.path] = append(texts[g.path], g.text)
	}
	for _, g := range f.given {
		if all, ok := texts[g.path]; ok {
			delete(texts, g.path)
			s := m.source("--" + g.flag)
			s.apply(g.path, value{source: s, text: strings.Join(all, ",")})
		}
	}
}
