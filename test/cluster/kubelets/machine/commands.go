package machine

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is one run of a program.
type call struct {
	m    *Machine
	ctx  context.Context
	args []string // with the program's name
	dir  string
	env  []string // exported variables
	stdio
}

type command func(c *call) (uint8, error)

// commands are the programs of a node image that a boot script uses; anything else is "command not found". Set in init because
// some run others.
var commands map[string]command

func init() {
	commands = map[string]command{
		"bash": shell, "sh": shell, "env": envCommand, "sudo": sudo, "nohup": sudo, "which": which,
		"cat": cat, "tee": tee, "base64": base64Command, "gunzip": gunzip, "gzip": gunzip, "grep": grep, "head": headTail, "tail": headTail,
		"tr": tr, "wc": wc, "mkdir": mkdir, "touch": touch, "chmod": chmod, "rm": remove, "cp": copyFile, "mv": copyFile, "ls": ls, "dirname": pathPart, "basename": pathPart,
		"blkid": blkid, "mkfs": mkfs, "mkfs.xfs": mkfs, "mkfs.ext4": mkfs, "mount": mount, "mountpoint": mountpoint, "lsblk": lsblk,
		"mdadm": mdadm, "readlink": readlink, "systemctl": systemctl,
		"sleep": sleep, "curl": curl, "oci-growfs": growfs, "oke": okeBootstrap,
		"hostname": says(func(c *call) string { return c.m.inst.DisplayName }),
		"uname":    says(uname), "nproc": says(func(c *call) string { return strconv.Itoa(c.m.inst.VCPUs) }),
		"date": says(func(*call) string { return "Thu Jan  1 00:00:00 UTC 2026" }), "id": says(func(*call) string { return "0" }), "whoami": says(func(*call) string { return "root" }),
	}
	// Programs that exist on the image, take anything and decide nothing about joining.
	for _, name := range []string{"restorecon", "sysctl", "modprobe", "logger", "sync", "timedatectl", "hostnamectl", "setenforce", "firewall-cmd", "iptables", "swapoff",
		"chown", "ln", "umount", "yum", "dnf", "udevadm", "journalctl", "crictl"} {
		commands[name] = func(*call) (uint8, error) { return 0, nil }
	}
}

func (c *call) fail(status uint8, format string, args ...any) (uint8, error) {
	_, _ = fmt.Fprintf(c.err, "%s: %s\n", c.args[0], fmt.Sprintf(format, args...))
	return status, nil
}

// childStatus reports a child that could not be run in the shell's words; reasons that end the boot pass through.
func (c *call) childStatus(status uint8, err error) (uint8, error) {
	if err == nil {
		return status, nil
	}
	if errors.Is(err, errForever) || c.ctx.Err() != nil {
		return 1, err
	}
	_, _ = fmt.Fprintf(c.err, "bash: %v\n", err)
	if status == 0 {
		status = 1
	}
	return status, nil
}

func (c *call) path(p string) string { return absolute(c.dir, p) }

// operands splits arguments into flags and the rest.
func (c *call) operands() (flags, rest []string) {
	for i, a := range c.args[1:] {
		switch {
		case a == "--":
			return flags, append(rest, c.args[i+2:]...)
		case len(a) > 1 && a[0] == '-':
			flags = append(flags, a)
		default:
			rest = append(rest, a)
		}
	}
	return flags, rest
}

func hasFlag(flags []string, names ...string) bool {
	for _, f := range flags {
		for _, n := range names {
			if f == n || (len(n) == 2 && len(f) > 1 && f[1] != '-' && strings.Contains(f[1:], n[1:])) {
				return true
			}
		}
	}
	return false
}

// input returns the content of the named files, or of standard input when there is none or "-".
func (c *call) input(files []string) ([]byte, error) {
	if len(files) == 0 {
		files = []string{"-"}
	}
	var out []byte
	for _, f := range files {
		var data []byte
		var err error
		if f == "-" || f == "/dev/stdin" {
			data, err = io.ReadAll(c.in)
		} else {
			data, err = c.m.fs.ReadFile(c.path(f))
		}
		if err != nil {
			return out, fmt.Errorf("%s: %s", f, plain(err))
		}
		out = append(out, data...)
	}
	return out, nil
}

func plain(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "No such file or directory"
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// says makes a program that prints one line.
func says(line func(*call) string) command {
	return func(c *call) (uint8, error) {
		_, _ = fmt.Fprintln(c.out, line(c))
		return 0, nil
	}
}

func uname(c *call) string {
	if flags, _ := c.operands(); hasFlag(flags, "-m", "-p") {
		return c.m.inst.UnameMachine()
	}
	return "Linux"
}

func shell(c *call) (uint8, error) {
	args := c.args[1:]
	var options []string
	for len(args) > 0 {
		a := args[0]
		switch {
		case a == "-c":
			if len(args) < 2 {
				return c.fail(2, "-c: option requires an argument")
			}
			var params []string
			if len(args) > 3 {
				params = args[3:]
			}
			status, err := c.m.runScript(c.ctx, "bash", args[1], params, c.stdio, c.env, c.dir, options)
			return c.childStatus(status, err)
		case a == "-s" || a == "-":
			args = args[1:]
			return c.stdinScript(args, options)
		case a == "-o" || a == "+o":
			if len(args) < 2 {
				return c.fail(2, "-o: option requires an argument")
			}
			options = append(options, args[0], args[1])
			args = args[2:]
		case a == "-l" || a == "--login" || a == "--norc" || a == "--noprofile" || a == "-i":
			args = args[1:]
		case strings.HasPrefix(a, "-") && strings.HasSuffix(a, "c") && a != "-c":
			options = append(options, strings.TrimSuffix(a, "c"))
			args = append([]string{"-c"}, args[1:]...)
		case strings.HasPrefix(a, "-") || strings.HasPrefix(a, "+"):
			options = append(options, a)
			args = args[1:]
		default:
			full := c.path(a)
			if special[full] != nil && c.m.exists(full) {
				return special[full](&call{m: c.m, ctx: c.ctx, args: args, dir: c.dir, env: c.env, stdio: c.stdio})
			}
			body, err := c.m.fs.ReadFile(full)
			if err != nil {
				return c.fail(127, "%s: %s", a, plain(err))
			}
			status, err := c.m.runScript(c.ctx, a, string(body), args[1:], c.stdio, c.env, c.dir, options)
			return c.childStatus(status, err)
		}
	}
	return c.stdinScript(nil, options)
}

func (c *call) stdinScript(params, options []string) (uint8, error) {
	body, err := io.ReadAll(c.in)
	if err != nil {
		return c.fail(1, "%v", err)
	}
	sub := c.stdio
	sub.in = strings.NewReader("")
	status, err := c.m.runScript(c.ctx, "bash", string(body), params, sub, c.env, c.dir, options)
	return c.childStatus(status, err)
}

func envCommand(c *call) (uint8, error) {
	sub := *c
	sub.env = append([]string{}, c.env...)
	args := c.args[1:]
	for len(args) > 0 && strings.Contains(args[0], "=") {
		sub.env = append(sub.env, args[0])
		args = args[1:]
	}
	if len(args) == 0 {
		_, _ = fmt.Fprintln(c.out, strings.Join(sub.env, "\n"))
		return 0, nil
	}
	sub.args = args
	return c.m.program(&sub)
}

func sudo(c *call) (uint8, error) {
	sub := *c
	sub.args = c.args[1:]
	for len(sub.args) > 0 && strings.HasPrefix(sub.args[0], "-") {
		sub.args = sub.args[1:]
	}
	if len(sub.args) == 0 {
		return 0, nil
	}
	return c.m.program(&sub)
}

func which(c *call) (uint8, error) {
	var status uint8 = 1
	for _, name := range c.args[1:] {
		full := c.path(name)
		if !strings.Contains(name, "/") {
			full = "/usr/bin/" + name
		}
		if info, err := c.m.fs.Stat(full); err == nil && info.Mode()&0o111 != 0 {
			_, _ = fmt.Fprintln(c.out, full)
			status = 0
		}
	}
	return status, nil
}

func cat(c *call) (uint8, error) {
	_, files := c.operands()
	data, err := c.input(files)
	_, _ = c.out.Write(data)
	if err != nil {
		return c.fail(1, "%v", err)
	}
	return 0, nil
}

func tee(c *call) (uint8, error) {
	flags, files := c.operands()
	data, err := io.ReadAll(c.in)
	if err != nil {
		return c.fail(1, "%v", err)
	}
	_, _ = c.out.Write(data)
	for _, f := range files {
		content := data
		if hasFlag(flags, "-a", "--append") {
			if old, err := c.m.fs.ReadFile(c.path(f)); err == nil {
				content = slices.Concat(old, data)
			}
		}
		if _, err := c.m.fs.Stat(path.Dir(c.path(f))); err != nil {
			return c.fail(1, "%s: No such file or directory", f)
		}
		if err := c.m.fs.WriteFile(c.path(f), content, 0o644); err != nil {
			return c.fail(1, "%s: %s", f, plain(err))
		}
	}
	return 0, nil
}

func base64Command(c *call) (uint8, error) {
	flags, files := c.operands()
	if len(files) > 0 && hasFlag(flags, "-w") && isNumber(files[0]) {
		files = files[1:]
	}
	data, err := c.input(files)
	if err != nil {
		return c.fail(1, "%v", err)
	}
	if !hasFlag(flags, "-d", "-D", "--decode") {
		_, _ = fmt.Fprintln(c.out, base64.StdEncoding.EncodeToString(data))
		return 0, nil
	}
	raw, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(data), nil)))
	_, _ = c.out.Write(raw)
	if err != nil {
		return c.fail(1, "invalid input")
	}
	return 0, nil
}

func gunzip(c *call) (uint8, error) {
	flags, files := c.operands()
	if c.args[0] == "gzip" && !hasFlag(flags, "-d", "--decompress") {
		return c.fail(1, "compressing is not simulated")
	}
	data, err := c.input(files)
	if err != nil {
		return c.fail(1, "%v", err)
	}
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return c.fail(1, "not in gzip format")
	}
	if _, err := io.Copy(c.out, io.LimitReader(zr, maxFSBytes)); err != nil {
		return c.fail(1, "%v", err)
	}
	return 0, nil
}

// sleep passes the machine's own time; nothing waits for real.
func sleep(c *call) (uint8, error) {
	if len(c.args) < 2 {
		return c.fail(1, "missing operand")
	}
	for _, a := range c.args[1:] {
		d, err := time.ParseDuration(a)
		if err != nil {
			seconds, numErr := strconv.ParseFloat(a, 64)
			if numErr != nil {
				return c.fail(1, "invalid time interval '%s'", a)
			}
			d = time.Duration(seconds * float64(time.Second))
		}
		c.m.mu.Lock()
		c.m.slept += d
		forever := c.m.slept > maxSlept
		c.m.mu.Unlock()
		if forever {
			return 1, errForever
		}
	}
	return 0, nil
}
