package server

import (
	"fmt"
	"net"
	"path"
	"slices"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/config"
)

// iceServers is what clients are told; nothing unless it was configured.
func iceServers(rtc config.RTC) []*livekit.ICEServer {
	var servers []*livekit.ICEServer
	for _, s := range rtc.STUNServers {
		servers = append(servers, &livekit.ICEServer{Urls: []string{"stun:" + s}})
	}
	for _, t := range rtc.TURNServers {
		url := fmt.Sprintf("turn:%s:%d?transport=%s", t.Host, t.Port, t.Protocol)
		if t.Protocol == "tls" {
			url = fmt.Sprintf("turns:%s:%d?transport=tcp", t.Host, t.Port)
		}
		servers = append(servers, &livekit.ICEServer{Urls: []string{url}, Username: t.Username, Credential: t.Credential})
	}
	return servers
}

// keepName is the filter of interface names; nil keeps all.
func keepName(f config.Filter) func(string) bool {
	if len(f.Includes) == 0 && len(f.Excludes) == 0 {
		return nil
	}
	matches := func(name string) func(string) bool {
		return func(pattern string) bool {
			ok, err := path.Match(pattern, name)
			return err == nil && ok
		}
	}
	return func(name string) bool {
		if len(f.Includes) > 0 {
			return slices.ContainsFunc(f.Includes, matches(name))
		}
		return !slices.ContainsFunc(f.Excludes, matches(name))
	}
}

// keepIP is the filter of addresses, by CIDR; nil keeps all.
func keepIP(f config.Filter) func(net.IP) bool {
	if len(f.Includes) == 0 && len(f.Excludes) == 0 {
		return nil
	}
	contains := func(ip net.IP) func(string) bool {
		return func(cidr string) bool {
			_, network, err := net.ParseCIDR(cidr)
			return err == nil && network.Contains(ip)
		}
	}
	return func(ip net.IP) bool {
		if len(f.Includes) > 0 {
			return slices.ContainsFunc(f.Includes, contains(ip))
		}
		return !slices.ContainsFunc(f.Excludes, contains(ip))
	}
}
