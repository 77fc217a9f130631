package gendocs

import (
	"bytes"
	"fmt"
	"regexp"
)

// A page shows a file that is named in a
// comment above the block of code:
//
//	<!-- file: ../examples/http/main.go -->
//
//	```go
var shown = regexp.MustCompile("(?ms)^<!-- file: (\\S+) -->\n\n```([a-z]*)\n(.*?)^```$")

// Include returns the page with every file that it shows as it is now; read returns
// a file by its path from the page.
func Include(page []byte, read func(path string) ([]byte, error)) ([]byte, error) {
	var failed error
	out := shown.ReplaceAllFunc(page, func(block []byte) []byte {
		m := shown.FindSubmatch(block)
		content, err := read(string(m[1]))
		if err != nil {
			failed = err
			return block
		}
		if bytes.Contains(content, []byte("```")) {
			failed = fmt.Errorf("%s has ``` in it, which would end the block", m[1])
			return block
		}
		return fmt.Appendf(nil, "<!-- file: %s -->\n\n```%s\n%s\n```", m[1], m[2], bytes.TrimRight(content, "\n"))
	})
	return out, failed
}
