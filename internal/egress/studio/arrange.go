package studio

import (
	"cmp"
	"slices"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
)

// loudEvery is how often it is looked who speaks, and speakFor how long somebody has
// to be the loudest to be shown large.
const (
	loudEvery = 200 * time.Millisecond
	speakFor  = 800 * time.Millisecond
)

// change is another layout, from its moment on.
type change struct {
	at     time.Time
	layout compose.Layout
}

// relayout takes the layouts whose moment has come.
func (f *floor) relayout(now time.Time) {
	for len(f.layouts) > 0 && !f.layouts[0].at.After(now) {
		f.canvas.SetLayout(f.layouts[0].layout)
		f.sizes()
		f.layouts = f.layouts[1:]
	}
}

// arrange lays out what there is.
func (f *floor) arrange() {
	if f.canvas == nil {
		return
	}
	heard := make(map[string]bool)
	for _, v := range f.voices {
		heard[v.Identity] = heard[v.Identity] || !v.Muted
	}
	var tiles []compose.Tile
	seen := make(map[string]bool)
	for _, n := range sorted(f.tiles) {
		t := f.tiles[n]
		seen[t.Identity] = true
		tiles = append(tiles, compose.Tile{
			ID: t.Sid, Owner: t.Identity, Name: t.Name, Screen: f.plain || t.Source == "screen_share", Blank: t.Muted, Silent: !heard[t.Identity],
			Width: t.Width, Height: t.Height, Number: n,
		})
	}
	if len(tiles) == 0 && !f.plain {
		for _, n := range sorted(f.voices) { // who is there at least
			if v := f.voices[n]; !seen[v.Identity] {
				seen[v.Identity] = true
				tiles = append(tiles, compose.Tile{ID: v.Sid, Owner: v.Identity, Name: v.Name, Blank: true})
			}
		}
	}
	if !slices.Equal(tiles, f.canvas.Tiles()) {
		f.canvas.SetTiles(tiles)
	}
	f.sizes()
}

// sizes tells the decoders how large their pictures are to be.
func (f *floor) sizes() {
	for _, t := range f.tiles {
		t.show(0, 0, false)
	}
	for _, p := range f.canvas.Places() {
		c := f.canvas.Tiles()[p.Tile]
		if t := f.tiles[c.Number]; t != nil && !c.Blank {
			w, h := f.canvas.Want(p)
			t.show(w, h, c.Screen)
		}
	}
}

func sorted[V any](m map[uint16]V) []uint16 {
	keys := make([]uint16, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, cmp.Compare)
	return keys
}

// listen notes who speaks. Who has been the loudest for a while is shown large.
func (f *floor) listen(now time.Duration, speakers []string) {
	first := ""
	if len(speakers) > 0 {
		first = speakers[0]
	}
	if first != f.loud {
		f.loud, f.since = first, now
	}
	before := f.canvas.Speaker()
	f.canvas.SetHeard(speakers)
	if f.loud != "" && (now-f.since >= speakFor || before == "") && f.canvas.SetSpeaker(f.loud) {
		f.sizes()
	}
}
