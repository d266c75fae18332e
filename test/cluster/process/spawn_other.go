//go:build !linux

package process

import (
	"os/exec"
	"syscall"
)

// spawn has no parent-death signal outside Linux: there a killed parent leaves its children to be ended by hand.
func spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Start()
}
