package layer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLayersOfRIDs(t *testing.T) {
	for rids, want := range map[string][]int{
		"q h f": {0, 1, 2}, "f h q": {2, 1, 0}, "h": {1}, "q f": {0, 2},
		"l m h": {0, 1, 2}, "h m l": {2, 1, 0}, "l h": {0, 1}, "m": {0},
		"0 1 2": {2, 1, 0}, "a b": {1, 0}, "x": {0}, "h x": {1, 0}, "0 1 2 3 4": {3, 3, 2, 1, 0},
	} {
		if d := cmp.Diff(want, Assign(strings.Fields(rids))); d != "" {
			t.Errorf("%s (-want +got):\n%s", rids, d)
		}
	}
}
