package codec

// parseVP8 reads the payload descriptor of RFC 7741 §4.2 and the first byte
// of the payload header, §4.3.
func parseVP8(b []byte) (d Descriptor, ok bool) {
	if len(b) < 2 {
		return d, false
	}
	first := b[0]
	n := 1
	if first&0x80 != 0 { // X
		ext := b[1]
		n = 2
		if ext&0x80 != 0 { // I
			if d, n, ok = pictureID(d, b, n); !ok {
				return d, false
			}
		}
		if ext&0x40 != 0 { // L
			if n >= len(b) {
				return d, false
			}
			d.TL0Offset, d.TL0 = uint8(n), b[n]
			n++
		}
		if ext&0x30 != 0 { // T or K share a byte
			if n >= len(b) {
				return d, false
			}
			if ext&0x20 != 0 {
				d.HasTemporal, d.Temporal, d.Sync = true, b[n]>>6, b[n]&0x20 != 0
			}
			if ext&0x10 != 0 {
				d.KeyIdxOffset, d.KeyIdx = uint8(n), b[n]&0x1f
			}
			n++
		}
	}
	if n >= len(b) {
		return d, false
	}
	// S set, first partition, and P (inverse key frame flag) clear.
	d.Keyframe = first&0x10 != 0 && first&0x07 == 0 && b[n]&0x01 == 0
	return d, true
}

// pictureID reads the 7 or 15 bit picture id that VP8 and VP9 share.
func pictureID(d Descriptor, b []byte, n int) (Descriptor, int, bool) {
	if n >= len(b) {
		return d, n, false
	}
	d.PictureIDOffset = uint8(n)
	if b[n]&0x80 == 0 {
		d.PictureID = uint16(b[n])
		return d, n + 1, true
	}
	if n+1 >= len(b) {
		return d, n, false
	}
	d.LongPictureID = true
	d.PictureID = uint16(b[n]&0x7f)<<8 | uint16(b[n+1])
	return d, n + 2, true
}
