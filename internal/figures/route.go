package figures

import (
	"cmp"
	"slices"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// routesOf lists the ways, the most travelled one first.
func routesOf(ways map[peer.Route]int) []Route {
	routes := make([]Route, 0, len(ways))
	for way, n := range ways {
		routes = append(routes, Route{way.Protocol, way.Candidate, n})
	}
	slices.SortFunc(routes, func(a, b Route) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Candidate, b.Candidate))
	})
	return routes
}
