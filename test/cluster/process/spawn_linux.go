package process

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// The kernel delivers a parent-death signal when the *thread* that forked the child ends, not the process. Go may end a
// thread at any time, so all children are forked by one goroutine that keeps its thread until the process ends.
var (
	spawnerOnce sync.Once
	spawnQueue  chan spawnRequest
)

type spawnRequest struct {
	cmd    *exec.Cmd
	result chan error
}

func spawn(cmd *exec.Cmd) error {
	spawnerOnce.Do(func() {
		spawnQueue = make(chan spawnRequest)
		go func() {
			runtime.LockOSThread()
			for r := range spawnQueue {
				r.result <- r.cmd.Start()
			}
		}()
	})
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	r := spawnRequest{cmd: cmd, result: make(chan error, 1)}
	spawnQueue <- r
	return <-r.result
}
