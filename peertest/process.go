package peertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// stopTime is how long a process may take to end after SIGTERM.
const stopTime = 20 * time.Second

// A Process is a server that was started here.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it ended and was waited for
	err   error         // of Wait; read after ended
}

// startProcess starts cmd so that it ends with this process at the latest,
// even if a panic or a timeout keeps the test's cleanup from running.
func startProcess(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	dieWithParent(cmd)
	started := make(chan error)
	go func() {
		// The kernel takes the thread that forked for the parent, so it has to
		// live as long as the process.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.ended)
		}
	}()
	return p, <-started
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// ExitStatus is -1 if a signal ended the process. It has ended.
func (p *Process) ExitStatus() int { return p.cmd.ProcessState.ExitCode() }

// Stop sends SIGTERM and waits; after stopTime it kills, which is an error. It
// returns the exit status.
func (p *Process) Stop() (int, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return -1, err
	}
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-p.ended:
		return p.ExitStatus(), nil
	case <-timer.C:
		p.Kill()
		return -1, errors.New("still running " + stopTime.String() + " after SIGTERM; killed")
	}
}

// Kill ends the process as a crash would, and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// KillTree ends the process and everything below it at once, and waits until
// all are gone. It is for servers whose orderly end takes longer than a test,
// and whose data nobody wants.
func (p *Process) KillTree() error {
	tree := Tree(p.PID())
	for _, pid := range tree {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.ended
	deadline := time.Now().Add(stopTime)
	for _, pid := range tree {
		for alive(pid) {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d is still there after SIGKILL", pid)
			}
			<-time.After(time.Millisecond)
		}
	}
	return nil
}
