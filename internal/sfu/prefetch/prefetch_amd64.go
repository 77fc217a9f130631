package prefetch

import "unsafe"

// Line asks for the line of memory that p points into.
//
//go:noescape
func Line(p unsafe.Pointer)

// Block asks for eight lines, the first of which p points into: 512 bytes.
//
//go:noescape
func Block(p unsafe.Pointer)
