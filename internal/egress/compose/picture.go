package compose

import "image"

// Picture is a picture of 8 bits in 4:2:0, of limited range: rows of luma, then the
// two planes of colour at half the size, without gaps. Width and Height are even.
type Picture struct {
	Width, Height int
	Pix           []byte
}

// Size is how many bytes a picture has.
func Size(width, height int) int { return width * height * 3 / 2 }

// NewPicture makes a black picture.
func NewPicture(width, height int) *Picture {
	p := &Picture{width, height, make([]byte, Size(width, height))}
	p.Fill(p.Bounds(), Black)
	return p
}

// Bounds is the whole of the picture.
func (p *Picture) Bounds() Rect { return Rect{0, 0, p.Width, p.Height} }

// plane is one of luma and the two of colour.
type plane struct {
	pix           []byte
	width, height int // and as many bytes to the next row
}

func (p *Picture) planes() [3]plane {
	n, q := p.Width*p.Height, p.Width*p.Height/4
	return [3]plane{
		{p.Pix[:n], p.Width, p.Height},
		{p.Pix[n : n+q], p.Width / 2, p.Height / 2},
		{p.Pix[n+q : n+2*q], p.Width / 2, p.Height / 2},
	}
}

// Image is the picture for package image, without a copy.
func (p *Picture) Image() *image.YCbCr {
	planes := p.planes()
	return &image.YCbCr{
		Y: planes[0].pix, Cb: planes[1].pix, Cr: planes[2].pix, YStride: p.Width, CStride: p.Width / 2,
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, p.Width, p.Height),
	}
}

// Rect is a part of a picture. All of it is even, so that it has whole pixels of
// colour.
type Rect struct{ X, Y, Width, Height int }

// Empty says whether there is nothing in it.
func (r Rect) Empty() bool { return r.Width <= 0 || r.Height <= 0 }

// inset is r with that much less on each side.
func (r Rect) inset(n int) Rect { return Rect{r.X + n, r.Y + n, r.Width - 2*n, r.Height - 2*n} }

// half is r in a plane of colour, if that is one.
func (r Rect) in(plane int) Rect {
	if plane > 0 {
		return Rect{r.X / 2, r.Y / 2, r.Width / 2, r.Height / 2}
	}
	return r
}

// within is what of r is in the picture.
func (r Rect) within(p *Picture) Rect {
	x0, y0 := max(r.X, 0), max(r.Y, 0)
	x1, y1 := min(r.X+r.Width, p.Width), min(r.Y+r.Height, p.Height)
	return Rect{x0, y0, max(x1-x0, 0), max(y1-y0, 0)}
}

func even(n int) int { return n &^ 1 }

// Color is a colour as pictures have it.
type Color struct{ Y, U, V byte }

// Colors without a hue.
var (
	Black = Color{16, 128, 128}
	White = Color{235, 128, 128}
)

// gray is one between Black and White, of 0 to 255.
func gray(n int) Color { return Color{byte(16 + n*219/255), 128, 128} }

// Fill paints a part of the picture.
func (p *Picture) Fill(r Rect, c Color) {
	r = r.within(p)
	for i, pl := range p.planes() {
		b, v := r.in(i), [3]byte{c.Y, c.U, c.V}[i]
		for y := b.Y; y < b.Y+b.Height; y++ {
			row := pl.pix[y*pl.width+b.X:][:b.Width]
			for x := range row {
				row[x] = v
			}
		}
	}
}

// Frame paints the edge of a part of the picture, that thick.
func (p *Picture) Frame(r Rect, thick int, c Color) {
	p.Fill(Rect{r.X, r.Y, r.Width, thick}, c)
	p.Fill(Rect{r.X, r.Y + r.Height - thick, r.Width, thick}, c)
	p.Fill(Rect{r.X, r.Y, thick, r.Height}, c)
	p.Fill(Rect{r.X + r.Width - thick, r.Y, thick, r.Height}, c)
}

// Put puts src onto a part of the picture. If it has another size it is scaled to
// that.
func (p *Picture) Put(r Rect, src *Picture) {
	if r.within(p) != r || r.Empty() {
		return
	}
	from := src.planes()
	for i, to := range p.planes() {
		b := r.in(i)
		if src.Width == r.Width && src.Height == r.Height {
			for y := range b.Height {
				copy(to.pix[(b.Y+y)*to.width+b.X:][:b.Width], from[i].pix[y*b.Width:])
			}
			continue
		}
		scale(to, b, from[i])
	}
}

// scale writes a plane onto a part of another, with the means of neighbours.
func scale(to plane, b Rect, from plane) {
	const one = 1 << 8
	type step struct{ at, next, part int }
	steps := func(n, of int) []step {
		all := make([]step, n)
		for i := range all {
			// The middle of a pixel is that of those it is made of.
			at := max(((2*i+1)*of*one/n-one)/2, 0)
			k := min(at/one, of-1)
			all[i] = step{k, min(k+1, of-1), at % one}
		}
		return all
	}
	xs, ys := steps(b.Width, from.width), steps(b.Height, from.height)
	for y, ny := range ys {
		upper, lower := from.pix[ny.at*from.width:][:from.width], from.pix[ny.next*from.width:][:from.width]
		row := to.pix[(b.Y+y)*to.width+b.X:][:b.Width]
		for x, nx := range xs {
			u := int(upper[nx.at])*(one-nx.part) + int(upper[nx.next])*nx.part
			l := int(lower[nx.at])*(one-nx.part) + int(lower[nx.next])*nx.part
			row[x] = byte((u*(one-ny.part) + l*ny.part + one*one/2) / (one * one))
		}
	}
}

// Fit is the largest part of r, in its middle, with the proportions of a width and
// height.
func Fit(r Rect, width, height int) Rect {
	if width <= 0 || height <= 0 {
		return r
	}
	w, h := r.Width, even(r.Width*height/width)
	if h > r.Height {
		w, h = even(r.Height*width/height), r.Height
	}
	w, h = max(w, 2), max(h, 2)
	return Rect{r.X + even((r.Width-w)/2), r.Y + even((r.Height-h)/2), w, h}
}
