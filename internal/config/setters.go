package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A setter puts a value into the configuration, or reports what was expected.
type setter func(s *source, path string, v value)

type duration = time.Duration

func number(field func(*Config) *int, low, high int64) setter {
	return func(s *source, path string, v value) {
		if n, ok := v.number(); ok && low <= n && n <= high {
			*field(s.cfg) = int(n)
			return
		}
		v.expected(path, fmt.Sprintf("a whole number from %d to %d", low, high))
	}
}

// limit stores 0, no limit, as the largest one: readers need no second case.
func limit(field func(*Config) *int) setter {
	set := number(field, 0, maxInt)
	return func(s *source, path string, v value) {
		set(s, path, v)
		if *field(s.cfg) == 0 {
			*field(s.cfg) = maxInt
		}
	}
}

// seconds reads 0 as 1: rooms close at the next look at them, not before.
func seconds(field func(*Config) *duration) setter {
	return func(s *source, path string, v value) {
		if n, ok := v.number(); ok && 0 <= n && n <= maxInt {
			*field(s.cfg) = time.Duration(max(n, 1)) * time.Second
			return
		}
		v.expected(path, "a whole number of seconds")
	}
}

// span reads a length of time with its unit, also in days; 0 needs none.
func span(field func(*Config) *duration) setter {
	return func(s *source, path string, v value) {
		t, ok := v.scalar()
		if ok && t == "0" {
			*field(s.cfg) = 0
			return
		}
		var d duration
		var err error
		if days, isDays := strings.CutSuffix(t, "d"); isDays {
			var n uint64
			n, err = strconv.ParseUint(days, 10, 16)
			d = duration(n) * 24 * time.Hour
		} else {
			d, err = time.ParseDuration(t)
		}
		if !ok || err != nil || d < time.Second {
			v.expected(path, "a length of time of a second or more with its unit, such as 7d or 36h, or 0")
			return
		}
		*field(s.cfg) = d
	}
}

// bytes reads a number of bytes, also with a unit.
func bytes(field func(*Config) *int64) setter {
	units := []struct {
		suffix string
		size   uint64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}}
	return func(s *source, path string, v value) {
		t, ok := v.scalar()
		unit := uint64(1)
		for _, u := range units {
			if number, found := strings.CutSuffix(t, u.suffix); found {
				t, unit = strings.TrimSpace(number), u.size
				break
			}
		}
		n, err := strconv.ParseUint(t, 10, 64)
		if !ok || err != nil || n > 1<<62/unit {
			v.expected(path, "a number of bytes, such as 10GiB, or 0")
			return
		}
		*field(s.cfg) = int64(n * unit)
	}
}

func boolean(field func(*Config) *bool) setter {
	return func(s *source, path string, v value) {
		if b, ok := v.boolean(); ok {
			*field(s.cfg) = b
			return
		}
		v.expected(path, "true or false")
	}
}

func text(field func(*Config) *string) setter {
	return func(s *source, path string, v value) {
		if t, ok := v.scalar(); ok {
			*field(s.cfg) = t
			return
		}
		v.expected(path, "text")
	}
}

func choice(field func(*Config) *string, options ...string) setter {
	return func(s *source, path string, v value) {
		if t, ok := v.scalar(); ok && slices.Contains(options, t) {
			*field(s.cfg) = t
			return
		}
		v.expected(path, strings.Join(options, " or "))
	}
}

func texts(field func(*Config) *[]string) setter {
	return textsLike(field, "text", func(t string) bool { return t != "" })
}

// addresses reads LiveKit's empty address as what it means: all of them.
func addresses(field func(*Config) *[]string) setter {
	set := textsLike(field, "an IP address, such as 0.0.0.0", func(t string) bool {
		_, err := netip.ParseAddr(t)
		return err == nil || t == ""
	})
	return func(s *source, path string, v value) {
		set(s, path, v)
		if slices.Contains(*field(s.cfg), "") {
			*field(s.cfg) = nil
		}
	}
}

func prefixes(field func(*Config) *[]string) setter {
	return textsLike(field, "a range of IP addresses, such as 10.0.0.0/16", func(t string) bool {
		_, err := netip.ParsePrefix(t)
		return err == nil
	})
}

func textsLike(field func(*Config) *[]string, what string, valid func(string) bool) setter {
	return func(s *source, path string, v value) {
		items, ok := v.list()
		if !ok {
			v.expected(path, "a list")
			return
		}
		var list []string
		for i, item := range items {
			if t, ok := item.scalar(); ok && valid(t) {
				list = append(list, t)
				continue
			}
			item.expected(fmt.Sprintf("%s[%d]", path, i), what)
		}
		*field(s.cfg) = list
	}
}

func level(field func(*Config) *slog.Level) setter {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn,
		"warning": slog.LevelWarn, "error": slog.LevelError,
	}
	return func(s *source, path string, v value) {
		t, _ := v.scalar()
		if l, ok := levels[strings.ToLower(t)]; ok {
			*field(s.cfg) = l
			return
		}
		v.expected(path, "debug, info, warn or error")
	}
}

func apiKeys(s *source, path string, v value) {
	keys := Keys{}
	v.entries(path, func(name, where string, v value) {
		secret, ok := v.scalar()
		switch {
		case !ok:
			v.expected(join(path, name), "the key's secret, as text")
		case secret == "":
			s.problem(where, join(path, name), "expected the key's secret, not nothing")
		case strings.TrimSpace(name) == "":
			s.problem(where, path, "expected the name of an API key")
		default:
			keys[name] = secret
		}
	})
	s.cfg.Keys = keys
}

// udpPort also takes LiveKit's range "7882-7892", of which the first port is used.
func udpPort(s *source, path string, v value) {
	const what = "a port from 0 to 65535"
	if n, ok := v.number(); ok {
		if n < 0 || n > maxPort {
			v.expected(path, what)
			return
		}
		s.cfg.RTC.UDPPort = int(n)
		return
	}
	t, ok := v.scalar()
	first, last, isRange := strings.Cut(t, "-")
	from, err := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	if !ok || err != nil {
		v.expected(path, what)
		return
	}
	if isRange {
		to, err := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
		if err != nil || to < from {
			v.expected(path, what)
			return
		}
		if to > from {
			s.cfg.Warnings = append(s.cfg.Warnings, fmt.Sprintf(
				"%s (%s): one UDP port carries all media; %d is used, the rest of the range is not", path, v.where(), from))
		}
	}
	s.cfg.RTC.UDPPort = int(from)
}

// nodeIP takes an address, or LiveKit's pair of ipv4 and ipv6.
func nodeIP(s *source, path string, v value) {
	if t, ok := v.scalar(); ok {
		if _, err := netip.ParseAddr(t); err != nil && t != "" {
			v.expected(path, "an IP address")
			return
		}
		s.cfg.RTC.NodeIPs = nil
		if t != "" {
			s.cfg.RTC.NodeIPs = []string{t}
		}
		return
	}
	var both []string
	v.entries(path, func(name, where string, v value) {
		t, ok := v.scalar()
		addr, err := netip.ParseAddr(t)
		switch {
		case name != "ipv4" && name != "ipv6":
			s.unknown(join(path, name), where)
		case !ok || err != nil || addr.Unmap().Is4() != (name == "ipv4"):
			v.expected(join(path, name), "an "+map[string]string{"ipv4": "IPv4", "ipv6": "IPv6"}[name]+" address")
		default:
			both = append(both, t)
		}
	})
	s.cfg.RTC.NodeIPs = both
}

func turnServers(s *source, path string, v value) {
	items, ok := v.list()
	if !ok || v.node == nil && len(items) > 0 {
		v.expected(path, "a list of servers, each with host, port and protocol")
		return
	}
	var servers []TURNServer
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		server := TURNServer{Protocol: "udp", Port: 3478}
		item.entries(at, func(name, where string, v value) {
			child := join(at, name)
			t, isText := v.scalar()
			switch name {
			case "host", "username", "credential":
				if !isText {
					v.expected(child, "text")
				}
			}
			switch name {
			case "host":
				server.Host = t
			case "username":
				server.Username = t
			case "credential":
				server.Credential = t
			case "port":
				n, ok := v.number()
				if !ok || n < 1 || n > maxPort {
					v.expected(child, "a port from 1 to 65535")
				}
				server.Port = int(n)
			case "protocol":
				if !slices.Contains([]string{"udp", "tcp", "tls"}, t) {
					v.expected(child, "udp, tcp or tls")
				}
				server.Protocol = t
			case "secret", "secret_file", "credentials_file", "ttl":
				if t != "" {
					s.unsupported(child, where)
				}
			default:
				s.unknown(child, where)
			}
		})
		if server.Host == "" {
			item.problem(item.where(), at+".host", "expected the server's host name")
		}
		servers = append(servers, server)
	}
	s.cfg.RTC.TURNServers = servers
}

// codecRTX is LiveKit's name for retransmissions, which come with each codec here.
const codecRTX = "video/rtx"

func codecs(s *source, path string, v value) {
	items, ok := v.list()
	if !ok {
		v.expected(path, "a list of codecs, each as \"mime: video/VP8\"")
		return
	}
	var list []string
	add := func(at string, v value) {
		t, _ := v.scalar()
		i := slices.IndexFunc(Codecs, func(c string) bool { return strings.EqualFold(c, t) })
		switch {
		case i >= 0 && !slices.Contains(list, Codecs[i]):
			list = append(list, Codecs[i])
		case i >= 0: // twice is once
		case strings.EqualFold(t, codecRTX):
		default:
			v.expected(at, "one of "+strings.Join(Codecs, ", "))
		}
	}
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		if _, ok := item.scalar(); ok {
			add(at, item)
			continue
		}
		item.entries(at, func(name, where string, v value) {
			switch name {
			case "mime":
				add(join(at, name), v)
			case "fmtp_line":
				if t, _ := v.scalar(); t != "" {
					s.unsupported(join(at, name), where)
				}
			default:
				s.unknown(join(at, name), where)
			}
		})
	}
	s.cfg.Room.EnabledCodecs = list
}

func webhookURLs(s *source, path string, v value) {
	textsLike(func(c *Config) *[]string { return &c.Webhook.URLs },
		"an http or https URL", func(t string) bool {
			u, err := url.Parse(t)
			return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
		})(s, path, v)
}

func tracingEndpoint(s *source, path string, v value) {
	t, ok := v.scalar()
	u, err := url.Parse(t)
	if !ok || t != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		v.expected(path, "an http or https URL of a collector, such as http://127.0.0.1:4318")
		return
	}
	s.cfg.Tracing.Endpoint = t
}
