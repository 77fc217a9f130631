//go:build unix

package spawn

import (
	"os/exec"
	"syscall"
)

// Detach has a command run in a process group of its own: what a terminal sends to
// ours does not reach it.
func Detach(cmd *exec.Cmd) { attributes(cmd).Setpgid = true }

// KillGroup kills a detached command and all that it started.
func KillGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

func attributes(cmd *exec.Cmd) *syscall.SysProcAttr {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	return cmd.SysProcAttr
}
