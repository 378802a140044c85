package peertest

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel stop the process if the one that started it
// ends first.
func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
}
