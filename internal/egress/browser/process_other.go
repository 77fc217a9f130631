//go:build !linux

package browser

import "os/exec"

// The browser ends with its pipes, which the system closes.
func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
