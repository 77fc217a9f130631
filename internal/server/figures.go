package server

import (
	"github.com/rollcall-rtc/rollcall/internal/figures"
	"github.com/rollcall-rtc/rollcall/internal/httpapi"
)

// openFigures begins to look at the node, for /stats.
func (s *Server) openFigures(version string) *httpapi.Figures {
	s.watch = figures.Start(figures.Sources{
		Rooms: s.rooms, Media: s.media, Log: s.events,
		Waiting: func() int { return s.events.Stats().Waiting },
	})
	return &httpapi.Figures{
		Lobby: figures.NewLobby(s.rooms), Rooms: s.rooms, Node: s.watch,
		Started: s.startedAt, Version: version,
	}
}
