package machine

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

func grep(c *call) (uint8, error) {
	flags, rest := c.operands()
	if len(rest) == 0 {
		return c.fail(2, "no pattern")
	}
	pattern := rest[0]
	if hasFlag(flags, "-F") {
		pattern = regexp.QuoteMeta(pattern)
	}
	if hasFlag(flags, "-i") {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return c.fail(2, "%v", err)
	}
	data, err := c.input(rest[1:])
	if err != nil {
		return c.fail(2, "%v", err)
	}
	var status uint8 = 1
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, maxFSBytes)
	for sc.Scan() {
		if re.Match(sc.Bytes()) == hasFlag(flags, "-v") {
			continue
		}
		status = 0
		if hasFlag(flags, "-q") {
			break
		}
		_, _ = fmt.Fprintln(c.out, sc.Text())
	}
	return status, nil
}

func headTail(c *call) (uint8, error) {
	n := 10
	var files []string
	for i := 1; i < len(c.args); i++ {
		a := c.args[i]
		switch {
		case a == "-n" && i+1 < len(c.args):
			n, _ = strconv.Atoi(c.args[i+1])
			i++
		case strings.HasPrefix(a, "-") && len(a) > 1:
			n, _ = strconv.Atoi(strings.TrimLeft(a, "-n"))
		default:
			files = append(files, a)
		}
	}
	data, err := c.input(files)
	if err != nil {
		return c.fail(1, "%v", err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	if len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if n = min(max(n, 0), len(lines)); c.args[0] == "tail" {
		lines = lines[len(lines)-n:]
	} else {
		lines = lines[:n]
	}
	_, _ = io.WriteString(c.out, strings.Join(lines, ""))
	return 0, nil
}

// tr knows -d SET and SET1 SET2 of single characters.
func tr(c *call) (uint8, error) {
	flags, rest := c.operands()
	data, err := io.ReadAll(c.in)
	if err != nil {
		return c.fail(1, "%v", err)
	}
	unescape := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r")
	switch {
	case hasFlag(flags, "-d") && len(rest) == 1:
		set := unescape.Replace(rest[0])
		_, _ = io.WriteString(c.out, strings.Map(func(r rune) rune {
			if strings.ContainsRune(set, r) {
				return -1
			}
			return r
		}, string(data)))
	case len(rest) == 2 && len(unescape.Replace(rest[0])) == len(unescape.Replace(rest[1])):
		from, to := []rune(unescape.Replace(rest[0])), []rune(unescape.Replace(rest[1]))
		_, _ = io.WriteString(c.out, strings.Map(func(r rune) rune {
			for i := range from {
				if r == from[i] {
					return to[i]
				}
			}
			return r
		}, string(data)))
	default:
		return c.fail(1, "these sets are not simulated")
	}
	return 0, nil
}

func wc(c *call) (uint8, error) {
	flags, files := c.operands()
	data, err := c.input(files)
	if err != nil {
		return c.fail(1, "%v", err)
	}
	n := strings.Count(string(data), "\n")
	switch {
	case hasFlag(flags, "-c"):
		n = len(data)
	case hasFlag(flags, "-w"):
		n = len(strings.Fields(string(data)))
	}
	_, _ = fmt.Fprintln(c.out, n)
	return 0, nil
}
