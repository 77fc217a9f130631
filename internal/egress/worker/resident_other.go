//go:build !linux

package worker

// unload does nothing here.
func unload() {}
