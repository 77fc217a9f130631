package server

import (
	"errors"
	"os"

	"github.com/rollcall-rtc/rollcall/internal/egress/browser"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
)

// warnOfMissing tells at once, and not at the first request, what the configuration
// names and the machine has not.
func (s *Server) warnOfMissing() {
	if directory := s.cfg.Egress.Directory; directory != "" {
		if err := tryDirectory(directory); err != nil {
			s.log.Warn("recordings cannot be written", "key", "egress.directory", "error", err)
		}
	}
	if program := s.cfg.Egress.Chromium; program != "" {
		if _, err := browser.Find(program); err != nil {
			s.log.Warn("web pages cannot be recorded", "error", err)
		}
	}
	if program := s.cfg.Ingress.FFmpeg; program != "" {
		if _, err := ffmpeg.Find(program); err != nil {
			s.log.Warn("ingress cannot encode, nor read from URLs", "error", err)
		}
	}
}

// tryDirectory makes a directory, if it is not there, and a file in it for a moment.
func tryDirectory(directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(directory, ".try-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
