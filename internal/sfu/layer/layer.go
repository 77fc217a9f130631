package layer

import "math/bits"

// Max is how many layers a track may have.
const Max = 4

// OfRID returns the layer of the rids that clients use, lowest first.
func OfRID(rid string) (int, bool) {
	switch rid {
	case "", "q":
		return 0, true
	case "h":
		return 1, true
	case "f":
		return 2, true
	}
	return 0, false
}

// Target returns the layer to send: the highest live one that is not above
// limit, else the lowest live one, else current, else limit. Bit n of live
// is layer n.
func Target(live uint8, limit, current int) int {
	limit = min(max(limit, 0), Max-1)
	if below := live & (2<<limit - 1); below != 0 {
		return bits.Len8(below) - 1
	}
	if live != 0 {
		return bits.TrailingZeros8(live)
	}
	if current >= 0 {
		return current
	}
	return limit
}
