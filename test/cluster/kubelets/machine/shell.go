package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// searchPath is where programs are looked for.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// errForever ends a script that sleeps for longer than any boot lasts.
var errForever = fmt.Errorf("it is still waiting after %s", maxSlept)

// runFile runs a script file from the machine's disk. The error tells why it could not be run at all; a script that ran and failed has a status.
func (m *Machine) runFile(ctx context.Context, file string, args []string, io stdio, env []string, dir string) (uint8, error) {
	body, err := m.fs.ReadFile(file)
	if err != nil {
		return 127, errors.New(file + ": No such file or directory")
	}
	if line, _, _ := bytes.Cut(body, []byte("\n")); bytes.HasPrefix(line, []byte("#!")) && !shellInterpreter(string(line[2:])) {
		return 126, fmt.Errorf("%s: bad interpreter: %s", file, strings.TrimSpace(string(line[2:])))
	}
	return m.runScript(ctx, file, string(body), args, io, env, dir, shebangOptions(body))
}

func shellInterpreter(line string) bool {
	words := strings.Fields(line)
	if len(words) > 1 && path.Base(words[0]) == "env" {
		words = words[1:]
	}
	if len(words) == 0 {
		return false
	}
	name := path.Base(words[0])
	return name == "bash" || name == "sh"
}

// shebangOptions returns the shell options on a script's first line, e.g. -e of "#!/bin/bash -e".
func shebangOptions(body []byte) []string {
	line, _, _ := strings.Cut(string(body), "\n")
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if !strings.HasPrefix(line, "#!") || len(words) < 2 || !strings.HasPrefix(words[1], "-") {
		return nil
	}
	return words[1:2]
}

// runScript reads and runs a script statement by statement, as a shell does: what stands before a syntax error has run.
func (m *Machine) runScript(ctx context.Context, name, body string, args []string, io stdio, env []string, dir string, options []string) (status uint8, fatal error) {
	defer func() {
		// A script must not be able to end the whole simulation by a fault of the interpreter.
		if r := recover(); r != nil {
			status, fatal = 2, fmt.Errorf("%s: the shell interpreter failed: %v", name, r)
		}
	}()
	params := append(append([]string{}, options...), "--")
	runner, err := interp.New(
		interp.Env(expand.ListEnviron(m.environment(env)...)),
		interp.StdIO(io.in, io.out, io.err),
		interp.Params(append(params, args...)...),
		interp.CallHandler(m.call),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return m.exec }),
		interp.OpenHandler(m.open), interp.StatHandler(m.stat), interp.ReadDirHandler2(m.readDir), interp.AccessHandler(m.access),
	)
	if err != nil {
		return 2, fmt.Errorf("%s: %w", name, err)
	}
	runner.Dir = dir
	var parseErr error
	for stmt, err := range syntax.NewParser(syntax.Variant(syntax.LangBash)).StmtsSeq(strings.NewReader(body)) {
		if parseErr = err; err != nil {
			break
		}
		if unsupported := unsupportedNode(stmt); unsupported != "" {
			fatal = fmt.Errorf("%s: %s is not simulated", name, unsupported)
			break
		}
		if status, fatal = exitStatus(runner.Run(ctx, stmt)); fatal != nil || runner.Exited() || ctx.Err() != nil {
			break
		}
	}
	switch {
	case fatal != nil:
		return 1, fatal
	case ctx.Err() != nil:
		return 1, context.Cause(ctx)
	case parseErr != nil:
		_, _ = fmt.Fprintf(io.err, "%s: %v\n", name, parseErr)
		return 2, fmt.Errorf("shell syntax error: %w", parseErr)
	}
	return status, nil
}

// unsupportedNode names a construct that would need the host's own pipes.
func unsupportedNode(stmt *syntax.Stmt) (found string) {
	syntax.Walk(stmt, func(n syntax.Node) bool {
		switch n.(type) {
		case *syntax.ProcSubst:
			found = "process substitution"
		case *syntax.CoprocClause:
			found = "coproc"
		}
		return found == ""
	})
	return found
}

// exitStatus separates a failing command (a status) from a reason to stop the whole boot (an error).
func exitStatus(err error) (uint8, error) {
	if err == nil {
		return 0, nil
	}
	var status interp.ExitStatus
	if errors.As(err, &status) {
		return uint8(status), nil
	}
	return 1, err
}

func (m *Machine) environment(extra []string) []string {
	return append([]string{"PATH=" + searchPath, "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "LANG=C.UTF-8", "HOSTNAME=" + m.inst.DisplayName}, extra...)
}

// call sends builtins that would look at the host's disk to programs of the machine.
func (m *Machine) call(_ context.Context, args []string) ([]string, error) {
	switch {
	case len(args) > 2 && args[0] == "command" && (args[1] == "-v" || args[1] == "-V"):
		return append([]string{"which"}, args[2:]...), nil
	case len(args) > 1 && args[0] == "type":
		return append([]string{"which"}, args[1:]...), nil
	case len(args) > 1 && args[0] == "exec":
		// exec PROGRAM replaces the shell; running the program and leaving is the same to a script.
		return args, nil
	}
	return args, nil
}

func (m *Machine) open(ctx context.Context, p string, flag int, perm fs.FileMode) (io.ReadWriteCloser, error) {
	hc := interp.HandlerCtx(ctx)
	switch p {
	case "/dev/stdout", "/dev/console", "/dev/tty", "/dev/kmsg":
		return writerFile{hc.Stdout}, nil
	case "/dev/stderr":
		return writerFile{hc.Stderr}, nil
	}
	return m.fs.Open(absolute(hc.Dir, p), flag, perm)
}

type writerFile struct{ w io.Writer }

func (f writerFile) Read([]byte) (int, error)    { return 0, io.EOF }
func (f writerFile) Write(p []byte) (int, error) { return f.w.Write(p) }
func (f writerFile) Close() error                { return nil }

func (m *Machine) stat(_ context.Context, p string, _ bool) (fs.FileInfo, error) {
	if _, ok := m.device(p); ok {
		return memInfo{name: path.Base(p), mode: fs.ModeDevice | 0o660}, nil
	}
	return m.fs.Stat(p)
}

func (m *Machine) readDir(_ context.Context, p string) ([]fs.DirEntry, error) { return m.fs.ReadDir(p) }

// access answers for root: everything that exists may be read and written; running needs an executable bit.
func (m *Machine) access(_ context.Context, p string, mode interp.AccessMode) error {
	info, err := m.fs.Stat(p)
	if err != nil {
		return err
	}
	if mode&interp.AccessExec != 0 && !info.IsDir() && info.Mode()&0o111 == 0 {
		return pathError("access", p, fs.ErrPermission)
	}
	return nil
}

func absolute(dir, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join(dir, p)
}

// exec runs a program: one the machine's image has, or a script on its disk. Nothing of the host is ever run.
func (m *Machine) exec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	c := &call{m: m, ctx: ctx, args: args, dir: hc.Dir, env: exported(hc.Env), stdio: stdio{in: hc.Stdin, out: hc.Stdout, err: hc.Stderr}}
	if c.in == nil {
		c.in = strings.NewReader("")
	}
	status, err := m.program(c)
	if err != nil {
		return err
	}
	if status == 0 {
		return nil // an exit status of 0 as an error is not a success to the interpreter
	}
	return interp.ExitStatus(status)
}

// program finds and runs args[0]. An error ends the whole script.
func (m *Machine) program(c *call) (uint8, error) {
	name := c.args[0]
	switch full := absolute(c.dir, name); {
	case special[full] != nil && m.exists(full):
		return special[full](c)
	case strings.Contains(name, "/"):
		if dir := path.Dir(full); m.has(path.Base(full)) && slices.Contains(strings.Split(searchPath, ":"), dir) {
			return commands[path.Base(full)](c)
		}
		info, err := m.fs.Stat(full)
		switch {
		case err != nil:
			return c.fail(127, "No such file or directory")
		case info.IsDir():
			return c.fail(126, "Is a directory")
		case info.Mode()&0o111 == 0:
			return c.fail(126, "Permission denied")
		}
		return m.script(c, full, c.args[1:])
	case m.has(name):
		return commands[name](c)
	}
	for dir := range strings.SplitSeq(searchPath, ":") {
		if info, err := m.fs.Stat(dir + "/" + name); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return m.script(c, dir+"/"+name, c.args[1:])
		}
	}
	return c.fail(127, "command not found")
}

func (m *Machine) exists(p string) bool {
	_, err := m.fs.Stat(p)
	return err == nil
}

// script runs a script as a child process of the caller.
func (m *Machine) script(c *call, file string, args []string) (uint8, error) {
	status, err := m.runFile(c.ctx, file, args, c.stdio, c.env, c.dir)
	return c.childStatus(status, err)
}

func exported(env expand.Environ) []string {
	var out []string
	for name, v := range env.Each {
		if v.Exported && v.Kind == expand.String {
			out = append(out, name+"="+v.Str)
		}
	}
	return out
}
