package compose

import "strings"

// Layout is how tiles are laid out, as the API names it: "grid", "speaker" or
// "single-speaker", with "-light" or "-dark" after it or neither.
type Layout string

// The layouts.
const (
	Grid          Layout = "grid"
	Speaker       Layout = "speaker"
	SingleSpeaker Layout = "single-speaker"
)

// Known says whether the layout is one that can be drawn; that without a name is
// Grid.
func (l Layout) Known() bool {
	switch l.kind() {
	case Grid, Speaker, SingleSpeaker:
		return true
	}
	return false
}

func (l Layout) kind() Layout {
	name := strings.TrimSuffix(strings.TrimSuffix(string(l), "-dark"), "-light")
	if name == "" {
		return Grid
	}
	return Layout(name)
}

func (l Layout) light() bool { return strings.HasSuffix(string(l), "-light") }

// Tile is one picture to be shown.
type Tile struct {
	ID     string // that of the track, or another that nobody else has
	Owner  string // identity of whose it is
	Name   string
	Screen bool   // nothing of it may be cut off
	Blank  bool   // there is no picture, or it is muted
	Silent bool   // nothing is heard of its owner
	Number uint16 // of whoever made it; Canvas does not look at it
	// Width and Height are the proportions of a Screen.
	Width, Height int
}

// Place is where a tile is shown.
type Place struct {
	Tile int // index
	Rect
}

// maxTiles is how many tiles a grid has at most.
const maxTiles = 25

// arrange says where tiles are on a picture of that size. speaker is the identity of
// who is shown large, if the layout has such.
func arrange(l Layout, width, height int, tiles []Tile, speaker string) []Place {
	if len(tiles) == 0 {
		return nil
	}
	gap := max(even(height/90), 2)
	whole := Rect{0, 0, width, height}
	focus := focusOf(tiles, speaker)
	switch kind := l.kind(); {
	case kind == SingleSpeaker, len(tiles) == 1 && kind == Speaker:
		return []Place{{focus, whole}}
	case kind == Speaker, tiles[focus].Screen:
		return arrangeSpeaker(whole.inset(gap), gap, tiles, focus)
	}
	return arrangeGrid(whole.inset(gap), gap, min(len(tiles), maxTiles))
}

// focusOf is the tile that is shown large: a screen, else the speaker's, else the
// first with a picture.
func focusOf(tiles []Tile, speaker string) int {
	best, rank := 0, -1
	for i, t := range tiles {
		r := 0
		switch {
		case t.Screen && !t.Blank:
			r = 3
		case t.Owner == speaker:
			r = 2
		case !t.Blank:
			r = 1
		}
		if r > rank {
			best, rank = i, r
		}
	}
	return best
}

// arrangeGrid makes the tiles as large as can be, of 16:9 about.
func arrangeGrid(in Rect, gap, n int) []Place {
	columns, rows, most := 1, n, 0
	for c := 1; c <= n; c++ {
		r := (n + c - 1) / c
		w, h := (in.Width-gap*(c-1))/c, (in.Height-gap*(r-1))/r
		// What a picture of 16:9 fills of it.
		if area := min(w*9, h*16); area > most {
			columns, rows, most = c, r, area
		}
	}
	w, h := even((in.Width-gap*(columns-1))/columns), even((in.Height-gap*(rows-1))/rows)
	w, h = max(min(w, even(h*16/9)), 2), max(min(h, even(w*9/16)), 2)
	top := in.Y + even((in.Height-rows*h-(rows-1)*gap)/2)
	var places []Place
	for row := range rows {
		here := min(n-row*columns, columns)
		left := in.X + even((in.Width-here*w-(here-1)*gap)/2)
		for c := range here {
			places = append(places, Place{row*columns + c, Rect{left + c*(w+gap), top + row*(h+gap), w, h}})
		}
	}
	return places
}

// arrangeSpeaker has one tile large and the others in a column on the left, as many
// as there is room for.
func arrangeSpeaker(in Rect, gap int, tiles []Tile, focus int) []Place {
	w := even(in.Width / 6)
	h := max(even(w*9/16), 2)
	places := []Place{{focus, Rect{in.X + w + gap, in.Y, in.Width - w - gap, in.Height}}}
	y := in.Y
	for i := range tiles {
		if i == focus {
			continue
		}
		if y+h > in.Y+in.Height {
			break
		}
		places = append(places, Place{i, Rect{in.X, y, w, h}})
		y += h + gap
	}
	if len(places) == 1 {
		places[0].Rect = in
	}
	return places
}
