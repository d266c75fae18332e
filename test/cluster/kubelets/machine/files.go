package machine

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// parseMode reads an octal mode; anything else gives the default.
func parseMode(s string, def fs.FileMode) fs.FileMode {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 32)
	if s == "" || err != nil {
		return def
	}
	return fs.FileMode(n).Perm()
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

func mkdir(c *call) (uint8, error) {
	flags, dirs := c.operands()
	for _, d := range dirs {
		full := c.path(d)
		if !hasFlag(flags, "-p", "--parents") {
			if _, err := c.m.fs.Stat(path.Dir(full)); err != nil {
				return c.fail(1, "cannot create directory '%s': No such file or directory", d)
			}
			if _, err := c.m.fs.Stat(full); err == nil {
				return c.fail(1, "cannot create directory '%s': File exists", d)
			}
		}
		c.m.fs.MkdirAll(full)
	}
	return 0, nil
}

func touch(c *call) (uint8, error) {
	_, files := c.operands()
	for _, f := range files {
		if _, err := c.m.fs.Stat(c.path(f)); err == nil {
			continue
		}
		if err := c.m.fs.WriteFile(c.path(f), nil, 0o644); err != nil {
			return c.fail(1, "%s: %s", f, plain(err))
		}
	}
	return 0, nil
}

func chmod(c *call) (uint8, error) {
	_, rest := c.operands()
	if len(rest) < 2 {
		return c.fail(1, "missing operand")
	}
	for _, f := range rest[1:] {
		info, err := c.m.fs.Stat(c.path(f))
		if err != nil {
			return c.fail(1, "cannot access '%s': No such file or directory", f)
		}
		mode := info.Mode().Perm()
		switch {
		case strings.HasSuffix(rest[0], "+x"):
			mode |= 0o111
		case isNumber(rest[0]):
			mode = parseMode(rest[0], mode)
		}
		if err := c.m.fs.Chmod(c.path(f), mode); err != nil {
			return c.fail(1, "%s: %s", f, plain(err))
		}
	}
	return 0, nil
}

func remove(c *call) (uint8, error) {
	flags, files := c.operands()
	for _, f := range files {
		if err := c.m.fs.Remove(c.path(f)); err != nil && !hasFlag(flags, "-f", "--force") {
			return c.fail(1, "cannot remove '%s': %s", f, plain(err))
		}
	}
	return 0, nil
}

// copyFile is cp and mv of single files, and of directories: cp -a FROM/. TO, and mv FROM TO where TO is not there.
func copyFile(c *call) (uint8, error) {
	flags, rest := c.operands()
	if len(rest) != 2 {
		return c.fail(1, "only one source and one destination are simulated")
	}
	from, to := c.path(rest[0]), c.path(rest[1])
	if info, err := c.m.fs.Stat(from); err == nil && info.IsDir() {
		contents := hasFlag(flags, "-a") && strings.HasSuffix(rest[0], "/.")
		if c.args[0] == "mv" && c.m.exists(to) || c.args[0] == "cp" && !contents {
			return c.fail(1, "this copy of a directory is not simulated")
		}
		return c.copyTree(from, to)
	}
	data, err := c.m.fs.ReadFile(from)
	if err != nil {
		return c.fail(1, "cannot stat '%s': %s", rest[0], plain(err))
	}
	if info, err := c.m.fs.Stat(to); err == nil && info.IsDir() {
		to = path.Join(to, path.Base(from))
	}
	if err := c.m.fs.WriteFile(to, data, 0o755); err != nil {
		return c.fail(1, "%s: %s", rest[1], plain(err))
	}
	if c.args[0] == "mv" {
		if err := c.m.fs.Remove(from); err != nil {
			return c.fail(1, "%s: %s", rest[0], plain(err))
		}
	}
	return 0, nil
}

// copyTree copies what is in a directory, which goes when it is moved.
func (c *call) copyTree(from, to string) (uint8, error) {
	if err := c.m.fs.CopyTree(from, to); err != nil {
		return c.fail(1, "%s", plain(err))
	}
	if c.args[0] == "mv" {
		if err := c.m.fs.Remove(from); err != nil {
			return c.fail(1, "%s", plain(err))
		}
	}
	return 0, nil
}

func ls(c *call) (uint8, error) {
	_, rest := c.operands()
	if len(rest) == 0 {
		rest = []string{c.dir}
	}
	for _, p := range rest {
		info, err := c.m.fs.Stat(c.path(p))
		if err != nil {
			return c.fail(2, "cannot access '%s': No such file or directory", p)
		}
		if !info.IsDir() {
			_, _ = fmt.Fprintln(c.out, p)
			continue
		}
		entries, err := c.m.fs.ReadDir(c.path(p))
		if err != nil {
			return c.fail(2, "%s", plain(err))
		}
		for _, e := range entries {
			_, _ = fmt.Fprintln(c.out, e.Name())
		}
	}
	return 0, nil
}

func pathPart(c *call) (uint8, error) {
	_, rest := c.operands()
	if len(rest) == 0 {
		return c.fail(1, "missing operand")
	}
	if c.args[0] == "dirname" {
		_, _ = fmt.Fprintln(c.out, path.Dir(rest[0]))
		return 0, nil
	}
	name := path.Base(rest[0])
	if len(rest) > 1 {
		name = strings.TrimSuffix(name, rest[1])
	}
	_, _ = fmt.Fprintln(c.out, name)
	return 0, nil
}
