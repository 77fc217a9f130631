package codec

// NAL unit types of H.264 (RFC 6184 §5.2) and H.265 (RFC 7798 §4.4).
const (
	h264IDR   = 5
	h264SPS   = 7
	h264STAPA = 24
	h264FUA   = 28
	h264FUB   = 29

	h265IRAPFirst = 16 // BLA_W_LP
	h265IRAPLast  = 21 // CRA_NUT
	h265VPS       = 32
	h265SPS       = 33
	h265AP        = 48
	h265FU        = 49
)

// startsH264 reports whether a packet carries a parameter set or the start of
// an IDR slice. Parameter sets come first and alone with many encoders, so a
// decoder that is let in at the slice would miss them.
func startsH264(b []byte) bool {
	if len(b) < 1 {
		return false
	}
	switch t := b[0] & 0x1f; t {
	case h264STAPA:
		for b = b[1:]; len(b) > 2; {
			size := int(b[0])<<8 | int(b[1])
			if opensH264(b[2] & 0x1f) {
				return true
			}
			if size > len(b)-2 {
				return false
			}
			b = b[2+size:]
		}
		return false
	case h264FUA, h264FUB:
		return len(b) > 1 && b[1]&0x80 != 0 && opensH264(b[1]&0x1f)
	default:
		return opensH264(t)
	}
}

func opensH264(t byte) bool { return t == h264IDR || t == h264SPS }

func startsH265(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	switch t := b[0] >> 1 & 0x3f; t {
	case h265AP:
		for b = b[2:]; len(b) > 2; {
			size := int(b[0])<<8 | int(b[1])
			if opensH265(b[2] >> 1 & 0x3f) {
				return true
			}
			if size > len(b)-2 {
				return false
			}
			b = b[2+size:]
		}
		return false
	case h265FU:
		return len(b) > 2 && b[2]&0x80 != 0 && opensH265(b[2]&0x3f)
	default:
		return opensH265(t)
	}
}

func opensH265(t byte) bool {
	return t == h265VPS || t == h265SPS || t >= h265IRAPFirst && t <= h265IRAPLast
}
