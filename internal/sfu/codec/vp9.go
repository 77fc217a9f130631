package codec

// parseVP9 reads the payload descriptor of RFC 9628 §4.2.
func parseVP9(b []byte) (d Descriptor, ok bool) {
	if len(b) < 1 {
		return d, false
	}
	first := b[0]
	flexible, inter := first&0x10 != 0, first&0x40 != 0 // F, P
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
		d.HasSpatial, d.Spatial, d.LayerEnds, d.Alone = true, sid, first&0x04 != 0, first&0x01 != 0
		d.HasTemporal, d.Temporal = true, min(b[n]>>5, MaxTemporal)
		if b[n]&0x10 != 0 { // U: what follows of upper layers refers to nothing of them before this
			d.Switch = 1<<(MaxTemporal+1) - 1<<d.Temporal
		}
		n++
		if !flexible {
			if n >= len(b) {
				return d, false
			}
			d.TL0Offset, d.TL0 = uint8(n), b[n]
			n++
		}
	}
	// B set and P clear, on the lowest spatial layer.
	d.Keyframe = first&0x08 != 0 && !inter && sid == 0
	if first&0x02 != 0 { // V
		d.SpatialLayers = spatialLayersVP9(b, n, flexible && inter)
	}
	return d, true
}

// spatialLayersVP9 reads how many there are from the scalability structure
// (§4.2.1), which follows the references at n, if there are any. 0 means that it is
// cut short.
func spatialLayersVP9(b []byte, n int, refers bool) uint8 {
	for more := refers; more; n++ {
		if n >= len(b) {
			return 0
		}
		more = b[n]&0x01 != 0
	}
	if n >= len(b) {
		return 0
	}
	return b[n]>>5 + 1
}
