package peer

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const (
	maxCandidateInit = 4096 // bytes of JSON
	maxCandidates    = 128  // of a client, between two of its descriptions
)

// remoteCandidate is a candidate of a client.
type remoteCandidate struct {
	addr     netip.AddrPort
	priority uint32
	kind     string // host, srflx, prflx or relay
	ufrag    string // empty if not told
}

// parseCandidateInit reads an RTCIceCandidateInit. ok is false for what is well formed and
// of no use: the end of candidates, addresses hidden by mDNS, and TCP, over which the
// client comes to us.
func parseCandidateInit(init string) (c remoteCandidate, ok bool, err error) {
	if len(init) > maxCandidateInit {
		return c, false, fmt.Errorf("%w: %d bytes", ErrCandidate, len(init))
	}
	var in struct {
		Candidate        string  `json:"candidate"`
		UsernameFragment *string `json:"usernameFragment"`
	}
	if err := json.Unmarshal([]byte(init), &in); err != nil {
		return c, false, fmt.Errorf("%w: %v", ErrCandidate, err)
	}
	text := strings.TrimSpace(in.Candidate)
	text = strings.TrimPrefix(text, "a=")
	if c, ok, err = parseCandidate(strings.TrimPrefix(text, "candidate:")); err == nil && in.UsernameFragment != nil {
		c.ufrag = *in.UsernameFragment
	}
	return c, ok, err
}

// parseCandidate reads the value of a candidate attribute, RFC 8839 §5.1.
func parseCandidate(text string) (c remoteCandidate, ok bool, err error) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return c, false, nil
	}
	if len(fields) < 8 || fields[6] != "typ" {
		return c, false, fmt.Errorf("%w: %d fields", ErrCandidate, len(fields))
	}
	component, err1 := strconv.ParseUint(fields[1], 10, 16)
	priority, err2 := strconv.ParseUint(fields[3], 10, 32)
	port, err3 := strconv.ParseUint(fields[5], 10, 16)
	if err1 != nil || err2 != nil || err3 != nil {
		return c, false, fmt.Errorf("%w: no numbers where they should be", ErrCandidate)
	}
	switch fields[7] {
	case "host", "srflx", "prflx", "relay":
	default:
		return c, false, fmt.Errorf("%w: type %q", ErrCandidate, fields[7])
	}
	c.kind, c.priority = fields[7], uint32(priority)
	for i := 8; i+1 < len(fields); i += 2 {
		if fields[i] == "ufrag" {
			c.ufrag = fields[i+1]
		}
	}
	if strings.HasSuffix(strings.ToLower(fields[4]), ".local") {
		return c, false, nil
	}
	addr, err := netip.ParseAddr(fields[4])
	if err != nil {
		return c, false, fmt.Errorf("%w: %v", ErrCandidate, err)
	}
	addr = addr.WithZone("").Unmap()
	c.addr = netip.AddrPortFrom(addr, uint16(port))
	of := strings.EqualFold
	return c, component == 1 && of(fields[2], "udp") && port > 0 && !addr.IsUnspecified() && !addr.IsMulticast(), nil
}

// Preferences of our candidates, RFC 8445 §5.1.2.1 and RFC 6544 §4.2: UDP goes before TCP.
const (
	typeHost        = 126
	typeTCP         = 99 // as what leads through a NAT: below all that is UDP
	localPreference = 65535
	passive         = 4 << 13 // the direction's part of a TCP candidate's
)

// candidateAttributes are our candidates, as descriptions have them. An address that stands
// for several is there once (RFC 8445 §5.1.3).
func candidateAttributes(addrs []MediaAddr, udp, tcp uint16) []string {
	var out []string
	local := localPreference
	told := map[netip.Addr]bool{}
	for _, m := range addrs {
		for _, a := range m.Advertised {
			if told[a] {
				continue
			}
			told[a] = true
			if udp != 0 {
				out = append(out, fmt.Sprintf("candidate:%d 1 udp %d %s %d typ host", len(out)+1, typeHost<<24|local<<8|255, a, udp))
			}
			if tcp != 0 {
				out = append(out, fmt.Sprintf("candidate:%d 1 tcp %d %s %d typ host tcptype passive", len(out)+1, typeTCP<<24|(passive|local&0x1fff)<<8|255, a, tcp))
			}
			local--
		}
	}
	return out
}
