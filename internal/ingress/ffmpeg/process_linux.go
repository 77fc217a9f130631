package ffmpeg

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps what a terminal sends to the server from the child, and has it die
// with the server: one that fetches has no input whose end it would see.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
