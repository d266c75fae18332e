package main

import (
	"fmt"
	"os"
	"syscall"
)

// redirectOutput makes a file this process's standard output and error, so that nobody waits for the end of a pipe it was given.
func redirectOutput(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	for _, fd := range []int{1, 2} {
		if err := syscall.Dup3(int(f.Fd()), fd, 0); err != nil {
			return fmt.Errorf("redirecting the output to %s: %w", path, err)
		}
	}
	return nil
}
