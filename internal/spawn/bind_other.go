//go:build !linux

package spawn

import "os/exec"

// Bind does nothing here: a child ends with its pipes, which the system closes.
func Bind(*exec.Cmd) {}
