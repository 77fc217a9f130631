package picture

import (
	"encoding/binary"
	"errors"
)

// VP9 puts the pictures of a stream together whose frames are of several sizes. Decoders
// take a picture as one superframe (VP9 specification, annex B), and show one frame of it:
// the last, if the others say that they are not to be shown. As they come over RTP all of
// them are. The zero value is for the beginning of a stream.
type VP9 struct {
	sizes [8][2]int // of the frames that can be referred to; zero: not known
}

// maxFrames is how many frames a superframe can have.
const maxFrames = 8

// Join returns the picture of these frames of one time, lowest layer first. Starts are
// where in b all but the first begin. A picture of one frame is returned as it is.
func (v *VP9) Join(b []byte, starts []int) []byte {
	if len(starts) == 0 {
		v.read(b)
		return b
	}
	if len(starts) >= maxFrames {
		return nil
	}
	var sizes []int
	var picture []byte
	for i, from := 0, 0; i <= len(starts); i++ {
		to := len(b)
		if i < len(starts) {
			to = starts[i]
		}
		frame := b[from:to]
		if h, err := v.read(frame); err == nil && i < len(starts) {
			frame = h.hidden(frame)
		}
		picture = append(picture, frame...)
		sizes = append(sizes, len(frame))
		from = to
	}
	// The index: a marker at both ends, with the number of frames and of bytes of a size.
	const sizeBytes = 4
	marker := byte(0b110<<5 | (sizeBytes-1)<<3 | len(starts))
	picture = append(picture, marker)
	for _, n := range sizes {
		picture = binary.LittleEndian.AppendUint32(picture, uint32(n))
	}
	return append(picture, marker)
}

// VP9Size returns how large the picture is that is shown of one at which decoding can
// begin; ok is false if it does not say.
func VP9Size(b []byte) (width, height int, ok bool) {
	var v VP9
	for i, frame := range framesOf(b) {
		h, err := v.read(frame)
		if err != nil || i == 0 && !h.key {
			return 0, 0, false
		}
		width, height = h.size[0], h.size[1]
	}
	return width, height, width > 0
}

// framesOf takes a superframe apart, of the kind that Join makes. Another is one frame.
func framesOf(b []byte) (frames [][]byte) {
	if len(b) == 0 {
		return nil
	}
	marker := b[len(b)-1]
	n, sizeBytes := int(marker&7)+1, int(marker>>3&3)+1
	index := 2 + n*sizeBytes
	if marker>>5 != 0b110 || len(b) < index || b[len(b)-index] != marker {
		return [][]byte{b}
	}
	at := b[len(b)-index+1:]
	rest := b[:len(b)-index]
	for range n {
		var size [8]byte
		copy(size[:], at[:sizeBytes])
		at = at[sizeBytes:]
		length := binary.LittleEndian.Uint64(size[:])
		if length > uint64(len(rest)) {
			return [][]byte{b}
		}
		frames, rest = append(frames, rest[:length]), rest[length:]
	}
	return frames
}

// header is what matters of a frame's uncompressed header (section 6.2).
type header struct {
	key, shown bool
	showAt     int // bits before show_frame
	end        int // bits of all of it
	size       [2]int
}

var errVP9 = errors.New("not a frame of VP9")

// hidden returns the frame so that it is decoded and not shown.
func (h *header) hidden(b []byte) []byte {
	if !h.shown {
		return b
	}
	if h.key {
		out := append([]byte(nil), b...)
		out[h.showAt/8] &^= 0x80 >> (h.showAt % 8)
		return out
	}
	// A frame that is not shown says whether it is an intra frame, behind
	// error_resilient_mode: everything from there moves on by a bit.
	w := writer{b: make([]byte, 0, len(b)+1)}
	r := reader{b: b}
	for r.at < h.showAt {
		w.bit(r.bit())
	}
	r.bit()
	w.bit(0)
	w.bit(r.bit())
	w.bit(0)
	for r.at < h.end {
		w.bit(r.bit())
	}
	return append(w.b, b[(h.end+7)/8:]...)
}

// read reads a header, and what the frame is to those that refer to it.
func (v *VP9) read(b []byte) (h header, err error) {
	r := reader{b: b}
	if r.bits(2) != 2 {
		return h, errVP9
	}
	profile := r.bits(1) | r.bits(1)<<1
	if profile == 3 {
		r.bits(1)
	}
	if r.bits(1) != 0 { // show_existing_frame
		return h, errVP9
	}
	h.key = r.bits(1) == 0
	h.showAt = r.at
	h.shown = r.bits(1) == 1
	resilient := r.bits(1) == 1
	refresh, intra := 0xff, h.key
	if !h.key {
		if !h.shown {
			intra = r.bits(1) == 1
		}
		if !resilient {
			r.bits(2)
		}
	}
	switch {
	case intra:
		if r.bits(24) != 0x498342 {
			return h, errVP9
		}
		if h.key || profile > 0 {
			r.colors(profile)
		}
		if !h.key {
			refresh = r.bits(8)
		}
		h.size = r.size()
		r.renderSize()
	default:
		refresh = r.bits(8)
		var refs [3]int
		for i := range refs {
			refs[i] = r.bits(3)
			r.bits(1)
		}
		found := false
		for _, ref := range refs {
			if found = r.bits(1) == 1; found {
				h.size = v.sizes[ref]
				break
			}
		}
		if !found {
			h.size = r.size()
		}
		r.renderSize()
		r.bits(1)           // allow_high_precision_mv
		if r.bits(1) == 0 { // is_filter_switchable
			r.bits(2)
		}
	}
	if !resilient {
		r.bits(2)
	}
	r.bits(2)
	r.loopFilter()
	r.quantization()
	r.segmentation()
	r.tiles(h.size[0])
	r.bits(16)
	h.end = r.at
	if h.size[0] == 0 || r.at > 8*len(b) {
		return h, errVP9
	}
	for i := range v.sizes {
		if refresh>>i&1 == 1 {
			v.sizes[i] = h.size
		}
	}
	return h, nil
}

// reader reads bits, the highest first. Behind the end are zeros.
type reader struct {
	b  []byte
	at int
}

func (r *reader) bit() (bit byte) {
	if r.at < 8*len(r.b) {
		bit = r.b[r.at/8] >> (7 - r.at%8) & 1
	}
	r.at++
	return bit
}

func (r *reader) bits(n int) (v int) {
	for range n {
		v = v<<1 | int(r.bit())
	}
	return v
}

// option reads n bits if a bit says that they are there.
func (r *reader) option(n int) {
	if r.bits(1) == 1 {
		r.bits(n)
	}
}

// colors is color_config.
func (r *reader) colors(profile int) {
	if profile >= 2 {
		r.bits(1)
	}
	const rgb = 7
	switch odd := profile&1 == 1; {
	case r.bits(3) != rgb:
		r.bits(1)
		if odd {
			r.bits(3)
		}
	case odd:
		r.bits(1)
	}
}

func (r *reader) size() [2]int { return [2]int{r.bits(16) + 1, r.bits(16) + 1} }

func (r *reader) renderSize() { r.option(32) }

func (r *reader) loopFilter() {
	r.bits(6 + 3)
	if r.bits(1) == 1 && r.bits(1) == 1 {
		for range 4 + 2 {
			r.option(7)
		}
	}
}

func (r *reader) quantization() {
	r.bits(8)
	for range 3 {
		r.option(5)
	}
}

func (r *reader) segmentation() {
	if r.bits(1) == 0 {
		return
	}
	if r.bits(1) == 1 { // the map
		for range 7 {
			r.option(8)
		}
		if r.bits(1) == 1 {
			for range 3 {
				r.option(8)
			}
		}
	}
	if r.bits(1) == 1 { // the data
		r.bits(1)
		for range 8 {
			for _, n := range [4]int{8 + 1, 6 + 1, 2, 0} { // the first two have a sign
				r.option(n)
			}
		}
	}
}

// tiles is tile_info of a frame of this width.
func (r *reader) tiles(width int) {
	columns := (width + 63) / 64
	least, most := 0, 1
	for 64<<least < columns {
		least++
	}
	for columns>>most >= 4 {
		most++
	}
	for log := least; log < most-1; log++ {
		if r.bits(1) == 0 {
			break
		}
	}
	r.option(1)
}

// writer writes bits, the highest first.
type writer struct {
	b  []byte
	at int
}

func (w *writer) bit(bit byte) {
	if w.at%8 == 0 {
		w.b = append(w.b, 0)
	}
	w.b[w.at/8] |= bit << (7 - w.at%8)
	w.at++
}
