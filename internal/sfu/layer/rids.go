package layer

import "slices"

// Assign returns the layer of each of the rids that a section sends (RFC 8853), in
// the order of the description. They are known by the names q, h and f, or l, m
// and h, from the smallest. Others are taken to begin with what their sender
// prefers (RFC 8853 §5.2), which is the largest.
func Assign(rids []string) []int {
	layers := make([]int, len(rids))
	switch {
	case allOf(rids, "q", "h", "f"):
		for i, rid := range rids {
			layers[i], _ = OfRID(rid)
		}
	case allOf(rids, "l", "m", "h"):
		n := 0
		for _, rid := range []string{"l", "m", "h"} {
			if i := slices.Index(rids, rid); i >= 0 {
				layers[i] = n
				n++
			}
		}
	default:
		for i := range rids {
			layers[i] = min(len(rids)-1-i, Max-1)
		}
	}
	return layers
}

func allOf(rids []string, names ...string) bool {
	return !slices.ContainsFunc(rids, func(rid string) bool { return !slices.Contains(names, rid) })
}
