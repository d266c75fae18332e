//go:build !linux

package process

import (
	"errors"
	"os/exec"
	"syscall"
)

// spawn has no parent-death signal outside Linux: there a killed parent leaves its children to be ended by hand.
func spawn(cmd *exec.Cmd, jail *Jail) error {
	if jail != nil {
		return errors.New("a jail needs Linux")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Start()
}
