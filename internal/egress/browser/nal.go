package browser

import "encoding/binary"

// lengths replaces the start code before each NAL unit (H.264 annex B) by the length
// of the unit.
func lengths(data []byte) []byte {
	out := make([]byte, 0, len(data)+8)
	for unit, rest := nextUnit(data); unit != nil || rest != nil; unit, rest = nextUnit(rest) {
		if len(unit) > 0 {
			out = binary.BigEndian.AppendUint32(out, uint32(len(unit)))
			out = append(out, unit...)
		}
	}
	return out
}

// nextUnit returns the first unit, and what follows from the next start code on,
// nil if nothing does. What is before the first start code is left out.
func nextUnit(data []byte) (unit, rest []byte) {
	begin := startCode(data, 0)
	if begin < 0 {
		return nil, nil
	}
	begin += 3
	end := startCode(data, begin)
	if end < 0 {
		return trim(data[begin:]), nil
	}
	return trim(data[begin:end]), data[end:]
}

// startCode finds three bytes 0 0 1 from i on; -1 if there are none.
func startCode(data []byte, i int) int {
	for ; i+3 <= len(data); i++ {
		if data[i] == 0 && data[i+1] == 0 && data[i+2] == 1 {
			return i
		}
	}
	return -1
}

// trim cuts off zeros, which are part of the next start code: a unit ends with none
// (H.264 §7.4.1).
func trim(unit []byte) []byte {
	for len(unit) > 0 && unit[len(unit)-1] == 0 {
		unit = unit[:len(unit)-1]
	}
	return unit
}
