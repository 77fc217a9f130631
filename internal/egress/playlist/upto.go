package playlist

import (
	"bytes"
	"strings"
)

// Upto is a list as far as what it names is there already, by its name: it ends before
// the first segment, or header, that is not. It is nil if no segment is left.
func Upto(list []byte, there func(name string) bool) []byte {
	kept, begun := 0, false
	for at := 0; at < len(list); {
		n := bytes.IndexByte(list[at:], '\n')
		if n < 0 {
			break // a line that is being written
		}
		line := string(list[at : at+n])
		at += n + 1
		if header, ok := strings.CutPrefix(line, "#EXT-X-MAP:URI="); ok && !there(strings.Trim(header, `"`)) {
			break
		}
		if line == "" || line[0] == '#' {
			if line+"\n" == end {
				kept = at
			}
			continue
		}
		if !there(line) {
			break
		}
		kept, begun = at, true
	}
	if !begun {
		return nil
	}
	return list[:kept:kept]
}
