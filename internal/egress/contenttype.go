package egress

import (
	"mime"
	"path/filepath"
	"strings"
)

// contentType is by the extension; the system's list of them may be missing.
func contentType(path string) string {
	ext := strings.ToLower(filepath.Ext(path))
	switch ext {
	case ".mp4":
		return "video/mp4"
	case ".webm":
		return "video/webm"
	case ".ogg":
		return "audio/ogg"
	case ".mp3":
		return "audio/mpeg"
	case ".ts":
		return "video/mp2t"
	case ".m4s":
		return "video/iso.segment"
	case ".m3u8":
		return "application/x-mpegURL"
	case ".json":
		return "application/json"
	case ".jpeg", ".jpg":
		return "image/jpeg"
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}
