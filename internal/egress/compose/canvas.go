package compose

import (
	"image"
	"slices"
)

// Canvas is a picture of tiles. What has not changed is not drawn again.
type Canvas struct {
	pic     *Picture
	layout  Layout
	tiles   []Tile
	speaker string // who is shown large
	heard   map[string]bool
	places  []Place
	drawn   map[string]*Picture // by tile: what is there now; nil for none
	type_   *typeface
	masks   map[maskKey]*image.Alpha
	colors  theme
	edge    int // of who is heard
	plain   bool
}

type maskKey struct {
	text string // "" is a disc
	size int
}

type theme struct{ back, blank, disc, letter Color }

var (
	dark  = theme{gray(0x11), gray(0x22), gray(0x44), gray(0xee)}
	light = theme{gray(0xf4), gray(0xdd), gray(0xbb), gray(0x22)}
	// accent frames who is heard: a light green.
	accent = Color{150, 96, 60}
)

// NewCanvas makes one of an even size.
func NewCanvas(width, height int, layout Layout) *Canvas {
	c := &Canvas{
		pic: NewPicture(width, height), drawn: make(map[string]*Picture), heard: make(map[string]bool),
		type_: newTypeface(), masks: make(map[maskKey]*image.Alpha), edge: max(even(height/240), 2),
	}
	c.SetLayout(layout)
	return c
}

// Picture is what has been drawn. It changes with the next call.
func (c *Canvas) Picture() *Picture { return c.pic }

// SetLayout changes the layout.
func (c *Canvas) SetLayout(l Layout) {
	c.layout, c.colors = l, dark
	if l.light() {
		c.colors = light
	}
	c.arrange()
}

// SetTiles says what there is, in the order in which it is shown.
func (c *Canvas) SetTiles(tiles []Tile) {
	c.tiles = append([]Tile(nil), tiles...)
	c.arrange()
}

// SetPlain has pictures without names, frames and letters.
func (c *Canvas) SetPlain(plain bool) { c.plain = plain }

// SetHeard says who is heard now: they are framed.
func (c *Canvas) SetHeard(identities []string) {
	heard := make(map[string]bool, len(identities))
	for _, id := range identities {
		heard[id] = true
	}
	for _, t := range c.tiles {
		if heard[t.Owner] != c.heard[t.Owner] {
			delete(c.drawn, t.ID)
		}
	}
	c.heard = heard
}

// Speaker is who is shown large, "" for nobody in particular.
func (c *Canvas) Speaker() string { return c.speaker }

// SetSpeaker says who is to be shown large, and whether that moved anything.
func (c *Canvas) SetSpeaker(identity string) bool {
	if c.speaker == identity {
		return false
	}
	c.speaker = identity
	if slices.Equal(arrange(c.layout, c.pic.Width, c.pic.Height, c.tiles, c.speaker), c.places) {
		return false
	}
	c.arrange()
	return true
}

// arrange lays out anew, and paints the ground if something has moved.
func (c *Canvas) arrange() {
	c.places = arrange(c.layout, c.pic.Width, c.pic.Height, c.tiles, c.speaker)
	c.drawn = make(map[string]*Picture)
	c.pic.Fill(c.pic.Bounds(), c.colors.back)
}

// Places are where tiles are now, and how large.
func (c *Canvas) Places() []Place { return c.places }

// Tiles are those that were set.
func (c *Canvas) Tiles() []Tile { return c.tiles }

// Want is how large the picture of a tile should be for a place: that of a screen
// has its proportions, any other fills it.
func (c *Canvas) Want(p Place) (width, height int) {
	r := c.room(p)
	return r.Width, r.Height
}

func (c *Canvas) room(p Place) Rect {
	if t := &c.tiles[p.Tile]; t.Screen {
		return Fit(p.Rect, t.Width, t.Height)
	}
	return p.Rect
}

// Draw draws one place: the newest picture of its tile, nil if there is none. The
// same picture is not drawn twice.
func (c *Canvas) Draw(p Place, src *Picture) {
	t := &c.tiles[p.Tile]
	if t.Blank {
		src = nil
	}
	if last, ok := c.drawn[t.ID]; ok && last == src {
		return
	}
	c.drawn[t.ID] = src
	if src == nil {
		c.drawBlank(p.Rect, t)
	} else {
		r := c.room(p)
		if r != p.Rect {
			c.pic.Fill(p.Rect, Black)
		}
		c.pic.Put(r, src)
	}
	c.drawName(p.Rect, t)
	if c.heard[t.Owner] && !t.Screen && !c.plain && len(c.places) > 1 {
		c.pic.Frame(p.Rect, c.edge, accent)
	}
}

// drawBlank draws who has no picture: a disc with a letter.
func (c *Canvas) drawBlank(r Rect, t *Tile) {
	if c.plain {
		c.pic.Fill(r, Black)
		return
	}
	c.pic.Fill(r, c.colors.blank)
	size := even(min(r.Width, r.Height) * 2 / 5)
	if size < 16 {
		return
	}
	x, y := r.X+even((r.Width-size)/2), r.Y+even((r.Height-size)/2)
	c.pic.stamp(x, y, c.mask("", size), c.colors.disc)
	letter := c.mask(initial(t.Name), size/2)
	c.pic.stamp(r.X+even((r.Width-letter.Rect.Dx())/2), r.Y+even((r.Height-letter.Rect.Dy())/2), letter, c.colors.letter)
}

// drawName writes the name into the left lower corner.
func (c *Canvas) drawName(r Rect, t *Tile) {
	size := min(max(r.Height/18, 11), 28)
	if r.Height < 60 || c.plain {
		return
	}
	name := t.Name
	if t.Screen {
		name += " · screen"
	}
	name = c.type_.fit(name, size, r.Width-4*size)
	if name == "" {
		return
	}
	mask := c.mask(name, size)
	at := Rect{r.X + even(size/2), r.Y + r.Height - mask.Rect.Dy() - even(size/2), mask.Rect.Dx(), mask.Rect.Dy()}
	at.X, at.Y = even(at.X), even(at.Y)
	c.pic.shade(at, Black, 150)
	c.pic.stamp(at.X, at.Y, mask, White)
}

// maxMasks bounds what is kept of names that were written.
const maxMasks = 256

func (c *Canvas) mask(text string, size int) *image.Alpha {
	key := maskKey{text, size}
	if m := c.masks[key]; m != nil {
		return m
	}
	if len(c.masks) >= maxMasks {
		clear(c.masks)
	}
	m := disc(size)
	if text != "" {
		m = c.type_.mask(text, size, even(size/2))
	}
	c.masks[key] = m
	return m
}
