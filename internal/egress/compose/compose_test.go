package compose

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
)

func people(n int) (tiles []Tile) {
	for i := range n {
		id := fmt.Sprintf("p%d", i)
		tiles = append(tiles, Tile{ID: id, Owner: id, Name: "Person " + id})
	}
	return tiles
}

// No tile is outside of the picture, odd, or over another, in any layout.
func TestTilesAreInsideAndApart(t *testing.T) {
	for _, l := range []Layout{"", "grid", "grid-light", "speaker", "speaker-dark", "single-speaker"} {
		for _, size := range [][2]int{{1280, 720}, {720, 1280}, {640, 360}, {16, 16}} {
			for n := range 40 {
				places := arrange(l, size[0], size[1], people(n), "p3")
				if n > 0 && len(places) == 0 || len(places) > maxTiles {
					t.Errorf("%s of %d in %v: %d places", l, n, size, len(places))
				}
				for i, p := range places {
					if p.X < 0 || p.Y < 0 || p.X+p.Width > size[0] || p.Y+p.Height > size[1] || (p.X|p.Y|p.Width|p.Height)&1 != 0 {
						if size[0] > 16 {
							t.Fatalf("%s of %d in %v: place %d is %v", l, n, size, i, p.Rect)
						}
					}
					for _, q := range places[:i] {
						if size[0] > 16 && p.X < q.X+q.Width && q.X < p.X+p.Width && p.Y < q.Y+q.Height && q.Y < p.Y+p.Height {
							t.Fatalf("%s of %d in %v: %v is over %v", l, n, size, p, q)
						}
					}
				}
			}
		}
	}
}

func TestWhoSpeaksIsShownLarge(t *testing.T) {
	c := NewCanvas(640, 360, Speaker)
	c.SetTiles(people(4))
	if !c.SetSpeaker("p2") || c.SetSpeaker("p2") {
		t.Error("another speaker moves tiles once")
	}
	if p := c.Places()[0]; p.Tile != 2 || p.Width < 400 {
		t.Errorf("%+v", p)
	}
	screen := append(people(2), Tile{ID: "s", Owner: "p0", Screen: true, Width: 100, Height: 100})
	c.SetLayout(Grid)
	c.SetTiles(screen)
	if p := c.Places()[0]; p.Tile != 2 {
		t.Errorf("a screen is not large in a grid: %+v", p)
	}
}

// A tile is drawn when its picture is another, and not else.
func TestOnlyWhatChangesIsDrawn(t *testing.T) {
	c := NewCanvas(640, 360, Grid)
	c.SetTiles(people(1))
	pic := NewPicture(320, 180)
	pic.Fill(pic.Bounds(), White)
	p := c.Places()[0]
	middle := (p.Y+p.Height/2)*640 + p.X + p.Width/2
	c.Draw(p, pic)
	if got := c.Picture().Pix[middle]; got != White.Y {
		t.Fatalf("the middle is %d", got)
	}
	pic.Fill(pic.Bounds(), Black)
	c.Draw(p, pic)
	if got := c.Picture().Pix[middle]; got != White.Y {
		t.Error("the same picture was drawn twice")
	}
	c.Draw(p, &Picture{320, 180, pic.Pix})
	if got := c.Picture().Pix[middle]; got != Black.Y {
		t.Error("another picture was not drawn")
	}
}

func TestVoicesAreAddedAndKeptFromClipping(t *testing.T) {
	tone := func(level float32) []float32 {
		s := make([]float32, Slot*Channels)
		for i := range s {
			s[i] = level
		}
		return s
	}
	sample := func(out []byte, i int) int { return int(int16(binary.LittleEndian.Uint16(out[2*i:]))) }
	var m Mixer
	a, b := &Voice{Owner: "a"}, &Voice{Owner: "b", Side: Left}
	out := make([]byte, Slot*Channels*2)
	a.Put(0, tone(0.25))
	a.Put(Slot+100, tone(0.1)) // a little late: it follows
	b.Put(0, tone(0.5))
	m.Mix(0, []*Voice{a, b}, out)
	if l, r := sample(out, 100), sample(out, 101); math.Abs(float64(l)-0.75*32767) > 2 || math.Abs(float64(r)-0.25*32767) > 2 {
		t.Errorf("left %d, right %d", l, r)
	}
	if who := Speakers([]*Voice{a, b}); len(who) != 2 || who[0] != "b" {
		t.Errorf("%v speak", who)
	}
	// What has a gap before it waits for its place.
	m.Mix(Slot, []*Voice{a}, out)
	if got := sample(out, 0); math.Abs(float64(got)-0.1*32767) > 2 {
		t.Errorf("the next slot begins with %d", got)
	}
	a.Put(10*Slot, tone(0.1))
	m.Mix(2*Slot, []*Voice{a}, out)
	if got := sample(out, 0); got != 0 {
		t.Errorf("the gap has %d in it", got)
	}
	for at := int64(3); at < 10; at++ {
		m.Mix(at*Slot, []*Voice{a}, out)
	}
	m.Mix(10*Slot, []*Voice{a}, out)
	if got := sample(out, 500); math.Abs(float64(got)-0.1*32767) > 2 {
		t.Errorf("after the gap there is %d", got)
	}
	loud := []*Voice{{}, {}, {}}
	for _, v := range loud {
		v.Put(11*Slot, tone(0.9))
	}
	m.Mix(11*Slot, loud, out)
	for i := range Slot * Channels {
		if got := sample(out, i); got > 32767 || got < 32000 {
			t.Fatalf("too loud is %d, want as loud as can be", got)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("Ana", 100)
	f.Add("\x00\xff日本\u202e", 7)
	f.Fuzz(func(t *testing.T, name string, width int) {
		c := NewCanvas(320, 180, Grid)
		c.SetTiles([]Tile{{ID: "a", Name: name, Blank: true}, {ID: "b", Name: name, Screen: true, Width: width % 5000, Height: 3}})
		for _, p := range c.Places() {
			c.Draw(p, nil)
		}
	})
}
