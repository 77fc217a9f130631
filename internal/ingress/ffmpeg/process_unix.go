//go:build unix && !linux

package ffmpeg

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps what a terminal sends to the server from the child.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
