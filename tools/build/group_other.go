//go:build !linux

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the compiler and its children in a group that can be killed as a whole.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
