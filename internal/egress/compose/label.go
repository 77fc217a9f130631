package compose

import (
	"image"
	"image/draw"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// typeface writes text in sizes that it keeps.
type typeface struct {
	parsed *opentype.Font
	faces  map[int]font.Face
}

func newTypeface() *typeface {
	parsed, err := opentype.Parse(gomedium.TTF)
	if err != nil {
		panic("BUG: the typeface that is compiled in: " + err.Error())
	}
	return &typeface{parsed, make(map[int]font.Face)}
}

func (t *typeface) face(size int) font.Face {
	if f := t.faces[size]; f != nil {
		return f
	}
	f, err := opentype.NewFace(t.parsed, &opentype.FaceOptions{Size: float64(size), DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic("BUG: a size of the typeface: " + err.Error())
	}
	t.faces[size] = f
	return f
}

// maxName bounds what is written of a name, in characters.
const maxName = 60

// fit is the text, or as much of its beginning as fits into that many pixels.
func (t *typeface) fit(text string, size, width int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	runes := []rune(text)
	if len(runes) > maxName {
		runes = append(runes[:maxName], '…')
	}
	for len(runes) > 0 && font.MeasureString(t.face(size), string(runes)).Ceil() > width {
		if runes[len(runes)-1] == '…' {
			runes = runes[:len(runes)-1]
		}
		if len(runes) <= 1 {
			return ""
		}
		runes = append(runes[:len(runes)-1], '…')
		if len(runes) < 2 {
			return ""
		}
	}
	return string(runes)
}

// mask is a text as how much of each pixel it covers, of an even size with room
// around it.
func (t *typeface) mask(text string, size, room int) *image.Alpha {
	f := t.face(size)
	m := f.Metrics()
	width := even(font.MeasureString(f, text).Ceil() + 2*room + 1)
	height := even((m.Ascent + m.Descent).Ceil() + room + 1)
	mask := image.NewAlpha(image.Rect(0, 0, width, height))
	d := font.Drawer{Dst: mask, Src: image.Opaque, Face: f, Dot: fixed.P(room, room/2+m.Ascent.Ceil())}
	d.DrawString(text)
	return mask
}

// initial is the first letter of a name.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	if r, _ := utf8.DecodeRuneInString(name); r != utf8.RuneError && unicode.IsPrint(r) {
		return string(r)
	}
	return "?"
}

// disc is a mask of a circle.
func disc(size int) *image.Alpha {
	mask := image.NewAlpha(image.Rect(0, 0, size, size))
	draw.Draw(mask, mask.Rect, image.Transparent, image.Point{}, draw.Src)
	r := float64(size) / 2
	for y := range size {
		for x := range size {
			covered := 0
			for i := range 16 {
				dx, dy := float64(x)+float64(i%4)/4+0.125-r, float64(y)+float64(i/4)/4+0.125-r
				if dx*dx+dy*dy <= r*r {
					covered++
				}
			}
			mask.Pix[y*mask.Stride+x] = byte(covered * 255 / 16)
		}
	}
	return mask
}

// stamp paints a colour through a mask whose left upper corner is at x, y, which are
// even.
func (p *Picture) stamp(x, y int, mask *image.Alpha, c Color) {
	r := Rect{x, y, mask.Rect.Dx(), mask.Rect.Dy()}
	if r.within(p) != r {
		return
	}
	planes := p.planes()
	for my := range r.Height {
		row := planes[0].pix[(y+my)*p.Width+x:]
		for mx, a := range mask.Pix[my*mask.Stride:][:r.Width] {
			if a > 0 {
				row[mx] = blend(row[mx], c.Y, int(a))
			}
		}
	}
	for my := 0; my+1 < r.Height; my += 2 {
		upper, lower := mask.Pix[my*mask.Stride:], mask.Pix[(my+1)*mask.Stride:]
		for mx := 0; mx+1 < r.Width; mx += 2 {
			a := (int(upper[mx]) + int(upper[mx+1]) + int(lower[mx]) + int(lower[mx+1])) / 4
			if a == 0 {
				continue
			}
			at := (y+my)/2*planes[1].width + (x+mx)/2
			planes[1].pix[at] = blend(planes[1].pix[at], c.U, a)
			planes[2].pix[at] = blend(planes[2].pix[at], c.V, a)
		}
	}
}

// shade mixes a part of the picture with a colour, of which there is a of 255.
func (p *Picture) shade(r Rect, c Color, a int) {
	r = r.within(p)
	for i, pl := range p.planes() {
		b, v := r.in(i), [3]byte{c.Y, c.U, c.V}[i]
		for y := b.Y; y < b.Y+b.Height; y++ {
			row := pl.pix[y*pl.width+b.X:][:b.Width]
			for x := range row {
				row[x] = blend(row[x], v, a)
			}
		}
	}
}

func blend(from, to byte, a int) byte { return byte((int(from)*(255-a) + int(to)*a + 127) / 255) }
