package whip

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// maxFragment is the longest fragment that is read, in bytes.
	maxFragment = 64 << 10
	// maxCandidates is how many candidates it may have.
	maxCandidates = 100
)

// fragment is what trickles in (RFC 8840 §9): candidates, and the credentials of the
// ICE session that they belong to.
type fragment struct {
	ufrag, pwd string
	candidates []candidate
}

type candidate struct{ mid, line string } // line begins with candidate:

var errFragment = errors.New("the body is no fragment of SDP")

// parseFragment reads a fragment. Lines that say something else are passed over.
func parseFragment(body string) (*fragment, error) {
	f := new(fragment)
	mid := ""
	for line := range strings.SplitSeq(strings.ReplaceAll(body, "\r\n", "\n"), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(line) < 2 || line[1] != '=' {
			return nil, fmt.Errorf("%w: line %.40q", errFragment, line)
		}
		if line[0] != 'a' {
			continue
		}
		key, value, _ := strings.Cut(line[2:], ":")
		switch key {
		case "ice-ufrag":
			f.ufrag = value
		case "ice-pwd":
			f.pwd = value
		case "mid":
			mid = value
		case "candidate":
			if len(f.candidates) == maxCandidates {
				return nil, fmt.Errorf("%w: more than %d candidates", errFragment, maxCandidates)
			}
			f.candidates = append(f.candidates, candidate{mid, line[2:]})
		}
	}
	if !validCredential(f.ufrag, 4) && f.ufrag != "" || !validCredential(f.pwd, 22) && f.pwd != "" {
		return nil, fmt.Errorf("%w: ice-ufrag or ice-pwd is not as RFC 8839 has it", errFragment)
	}
	if f.ufrag == "" && len(f.candidates) == 0 && !strings.Contains(body, "a=end-of-candidates") {
		return nil, fmt.Errorf("%w: there is nothing in it", errFragment)
	}
	return f, nil
}

// validCredential checks ice-char and length (RFC 8839 §5.4).
func validCredential(s string, shortest int) bool {
	if len(s) < shortest || len(s) > 256 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '+', c == '/':
		case c == '-', c == '_', c == '=': // some clients write base64url
		default:
			return false
		}
	}
	return true
}

// writeFragment is our side of an ICE restart.
func writeFragment(ufrag, pwd string, candidates []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", ufrag, pwd)
	for _, c := range candidates {
		fmt.Fprintf(&b, "a=candidate:%s\r\n", strings.TrimPrefix(c, "candidate:"))
	}
	b.WriteString("a=end-of-candidates\r\n")
	return b.String()
}
