// Package mix decodes packets of Opus of many tracks and adds them up, each at the
// time at which it was captured, into blocks of samples for both ears.
//
// It reads no clock and waits for nothing: who asks for blocks says up to when.
package mix
