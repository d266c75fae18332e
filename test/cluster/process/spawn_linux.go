package process

import (
	"os"
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

func spawn(cmd *exec.Cmd, jail *Jail) error {
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
	if jail != nil {
		jail.confine(cmd.SysProcAttr)
	}
	r := spawnRequest{cmd: cmd, result: make(chan error, 1)}
	spawnQueue <- r
	return <-r.result
}

func (j *Jail) confine(attributes *syscall.SysProcAttr) {
	attributes.Chroot = j.Root
	attributes.Credential = &syscall.Credential{Uid: j.UID, Gid: j.GID}
	if os.Geteuid() == 0 {
		return
	}
	attributes.Cloneflags |= syscall.CLONE_NEWUSER
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: int(j.UID), HostID: os.Getuid(), Size: 1}}
	attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: int(j.GID), HostID: os.Getgid(), Size: 1}}
	attributes.Credential.NoSetGroups = true
}
