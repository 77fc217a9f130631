package codec

// parseVP9 reads the payload descriptor of RFC 9628 §4.2.
func parseVP9(b []byte) (d Descriptor, ok bool) {
	if len(b) < 1 {
		return d, false
	}
	first := b[0]
	n := 1
	if first&0x80 != 0 { // I
		if d, n, ok = pictureID(d, b, n); !ok {
			return d, false
		}
	}
	sid := byte(0)
	if first&0x20 != 0 { // L
		if n >= len(b) {
			return d, false
		}
		sid = b[n] >> 1 & 0x07
		d.HasSpatial, d.Spatial, d.LayerEnds = true, sid, first&0x04 != 0
		n++
		if first&0x10 == 0 { // not F: TL0PICIDX follows
			if n >= len(b) {
				return d, false
			}
			d.TL0Offset, d.TL0 = uint8(n), b[n]
			n++
		}
	}
	// B set and P clear, on the lowest spatial layer.
	d.Keyframe = first&0x08 != 0 && first&0x40 == 0 && sid == 0
	return d, true
}
