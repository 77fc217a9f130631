//go:build !unix

package spawn

import "os/exec"

// Detach does nothing here.
func Detach(*exec.Cmd) {}

// KillGroup kills a command.
func KillGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
