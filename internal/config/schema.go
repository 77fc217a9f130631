package config

import (
	"cmp"
	"slices"
	"strings"
)

// schema is the vocabulary, indexed.
type schema struct {
	setters  map[string]setter
	inert    map[string]string // known keys, with the value that asks for nothing
	subtrees map[string]bool   // known keys whose inside is not looked at
	sections map[string]bool   // paths with keys below them
	names    []string          // all paths, for suggestions
}

func newSchema() *schema {
	s := &schema{
		setters:  make(map[string]setter),
		inert:    make(map[string]string),
		subtrees: make(map[string]bool),
		sections: make(map[string]bool),
	}
	for _, k := range slices.Concat(supported, older) {
		s.setters[k.path] = k.set
		s.add(k.path)
	}
	for _, entry := range known {
		path, inert, _ := strings.Cut(entry, "=")
		if under, ok := strings.CutSuffix(path, ".*"); ok {
			s.subtrees[under] = true
			path = under
		} else {
			s.inert[path] = inert
		}
		s.add(path)
	}
	return s
}

func (s *schema) add(path string) {
	s.names = append(s.names, path)
	for {
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return
		}
		path = path[:i]
		s.sections[path] = true
	}
}

// suggest returns the known path that was probably meant, or "".
//
// It is one with the same last name elsewhere, or one at the same place that
// is spelled alike.
func (s *schema) suggest(path string) string {
	parent, name := split(path)
	best, bestDistance := "", 1+max(1, len(name)/3)
	for _, known := range s.candidates() {
		p, n := split(known)
		d := distance(name, n)
		if p != parent {
			if name != n {
				continue
			}
			d = 1
		}
		if d < bestDistance {
			best, bestDistance = known, d
		}
	}
	return best
}

func (s *schema) candidates() []string {
	names := slices.Clone(s.names)
	for section := range s.sections {
		names = append(names, section)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "."), strings.Count(b, ".")), cmp.Compare(a, b))
	})
	return names
}

func split(path string) (parent, name string) {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// distance is the number of single-letter changes between a and b, where
// swapping two neighbours is one (optimal string alignment).
func distance(a, b string) int {
	if max(len(a), len(b)) > 64 {
		return max(len(a), len(b))
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
