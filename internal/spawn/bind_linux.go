package spawn

import (
	"os/exec"
	"syscall"
)

// Bind has a command die with this process, however that ends.
func Bind(cmd *exec.Cmd) { attributes(cmd).Pdeathsig = syscall.SIGKILL }
