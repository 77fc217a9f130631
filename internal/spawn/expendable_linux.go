package spawn

import (
	"fmt"
	"os"
	"os/exec"
)

// expendable is added to how much a process takes, in thousandths of the memory, when
// the system wants for it (proc_pid_oom_score_adj(5)).
const expendable = "500"

// Expendable has a command that was just started, and what it starts, be ended sooner
// than others by a system that wants for memory.
func Expendable(cmd *exec.Cmd) {
	// Anybody may become more so; if it fails the command is like others.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", cmd.Process.Pid), []byte(expendable), 0)
}
