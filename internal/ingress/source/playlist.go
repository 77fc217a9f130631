package source

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
)

// maxPlaylist is the largest playlist, in bytes.
const maxPlaylist = 4 << 20

var playlistMark = []byte("#EXTM3U") // RFC 8216 §4.3.1.1

func isPlaylist(r *bufio.Reader) bool {
	first, _ := r.Peek(len(playlistMark))
	return bytes.Equal(first, playlistMark)
}

// uriAttribute is what a tag refers to with (RFC 8216 §4.2). ffmpeg takes it without
// quotes as well.
var uriAttribute = regexp.MustCompile(`(URI=)("[^"]*"?|[^",\s]+)`)

// rewritePlaylist makes its references such that a child can follow them.
func rewritePlaylist(r io.Reader, scheme string) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxPlaylist+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxPlaylist {
		return nil, errors.New("the playlist is larger than 4 MiB")
	}
	var out bytes.Buffer
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case bytes.HasPrefix(line, []byte("#EXT")):
			var bad error
			line = uriAttribute.ReplaceAllFunc(line, func(found []byte) []byte {
				ref := bytes.Trim(found[len("URI="):], `"`)
				to, err := toPlain(string(ref), scheme)
				if bad == nil { // the first says enough, and there may be any number
					bad = err
				}
				return []byte(`URI="` + to + `"`)
			})
			if bad != nil {
				return nil, bad
			}
		case line[0] != '#':
			to, err := toPlain(string(line), scheme)
			if err != nil {
				return nil, err
			}
			line = []byte(to)
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}
