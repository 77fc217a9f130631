//go:build !amd64

package prefetch

import "unsafe"

// Line asks for the line of memory that p points into.
func Line(unsafe.Pointer) {}

// Block asks for eight lines, the first of which p points into: 512 bytes.
func Block(unsafe.Pointer) {}
