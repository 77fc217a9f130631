package prefetch

import (
	"testing"
	"unsafe"
)

func TestHintsNeitherFaultNorChangeAnything(t *testing.T) {
	b := [1]byte{7}
	// Of the lines behind b the last may be nobody's.
	for _, p := range []unsafe.Pointer{nil, unsafe.Pointer(&b)} {
		Line(p)
		Block(p)
	}
	if b[0] != 7 {
		t.Errorf("%d", b[0])
	}
}
