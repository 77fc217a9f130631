package codec

// blankVP8 is a key frame of 16 by 16 black pixels (RFC 6386), as libvpx makes it.
var blankVP8 = []byte{
	0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x10, 0x00, 0x10, 0x00, 0x00, 0x47, 0x08, 0x85, 0x85, 0x88,
	0x85, 0x84, 0x88, 0x02, 0x02, 0x00, 0x0c, 0x0d, 0x60, 0x00, 0xfe, 0xff, 0xab, 0x50, 0x80,
}

// blankH264 is the same in H.264's constrained baseline profile: parameter sets
// and slice in one aggregation packet (RFC 6184 §5.7.1).
var blankH264 = []byte{
	0x18, 0x00, 0x16, 0x67, 0x42, 0xc0, 0x0a, 0xa6, 0x11, 0x7a, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
	0x00, 0x00, 0x03, 0x03, 0xc8, 0xf1, 0x22, 0x61, 0x18, 0x00, 0x06, 0x68, 0xc8, 0x42, 0x04, 0x4b,
	0x20, 0x00, 0x0a, 0x65, 0x88, 0x82, 0x1f, 0x93, 0x14, 0x00, 0x04, 0x37, 0xf0,
}

// blankOpus is 20 ms of silence (RFC 6716 §3.1): CELT, fullband, stereo.
var blankOpus = []byte{0xfc, 0xff, 0xfe}

// AppendBlank appends a payload of one packet that shows or plays nothing, for
// VP8 with the counters that d has. It reports false for codecs that none is
// known of.
func AppendBlank(b []byte, mimeType string, d *Descriptor) ([]byte, bool) {
	switch KindOf(mimeType) {
	case VP8:
		return append(appendVP8Descriptor(b, d), blankVP8...), true
	case H264:
		return append(b, blankH264...), true
	}
	if IsOpus(mimeType) || IsRED(mimeType) {
		return append(b, blankOpus...), true
	}
	return b, false
}

// appendVP8Descriptor writes the descriptor of a frame's first packet (RFC 7741
// §4.2) with the fields that d has.
func appendVP8Descriptor(b []byte, d *Descriptor) []byte {
	var fields byte
	if d.PictureIDOffset != 0 {
		fields |= 0x80
	}
	if d.TL0Offset != 0 {
		fields |= 0x40
	}
	if d.HasTemporal {
		fields |= 0x20
	}
	if d.KeyIdxOffset != 0 {
		fields |= 0x10
	}
	if fields == 0 {
		return append(b, 0x10) // S: the start of a partition
	}
	b = append(b, 0x90, fields)
	if d.PictureIDOffset != 0 {
		if d.LongPictureID {
			b = append(b, 0x80|byte(d.PictureID>>8&0x7f), byte(d.PictureID))
		} else {
			b = append(b, byte(d.PictureID)&0x7f)
		}
	}
	if d.TL0Offset != 0 {
		b = append(b, d.TL0)
	}
	if fields&0x30 != 0 {
		b = append(b, d.KeyIdx&0x1f) // of temporal layer 0
	}
	return b
}
