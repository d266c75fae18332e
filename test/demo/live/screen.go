package live

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
	"k8s.io/utils/clock"
)

// plainInterval is the least time between two status lines when the output is no terminal.
const plainInterval = 5 * time.Second

// Screen shows views and messages. On a terminal the table stays at the bottom and messages scroll above it; elsewhere both are
// lines with times. Safe for concurrent use.
type Screen struct {
	out   io.Writer
	size  func() (width, height int, ok bool) // ok is false when the output is no terminal
	clock clock.PassiveClock
	begin time.Time

	mu       sync.Mutex
	colour   bool
	shown    []int // columns of the table's lines that stand on the terminal now
	last     []string
	lastLine string
	lastTime time.Time
}

// NewScreen shows on a file, usually os.Stdout. The environment variable NO_COLOR turns colours off.
func NewScreen(out *os.File, c clock.PassiveClock) *Screen {
	size := func() (int, int, bool) {
		w, h, err := term.GetSize(int(out.Fd()))
		return w, h, err == nil && w > 0
	}
	return newScreen(out, size, c, os.Getenv("NO_COLOR") == "")
}

func newScreen(out io.Writer, size func() (int, int, bool), c clock.PassiveClock, colour bool) *Screen {
	return &Screen{out: out, size: size, clock: c, begin: c.Now(), colour: colour}
}

// Say prints a message.
func (s *Screen) Say(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	width, height, terminal := s.size()
	if terminal {
		s.erase(&b, width)
	}
	stamp := fmt.Sprintf("%s %6.1fs  ", s.clock.Now().Format("15:04:05"), s.clock.Since(s.begin).Seconds())
	if terminal && s.colour {
		stamp = "\x1b[2m" + stamp + "\x1b[0m"
	}
	b.WriteString(stamp + message + "\n")
	if terminal {
		s.draw(&b, width, height, s.last)
	}
	s.flush(&b)
}

// Show redraws the table, or prints a status line when something changed and the last one is old enough.
func (s *Screen) Show(v View) {
	width, height, terminal := s.size()
	if !terminal {
		s.showLine(v)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	s.erase(&b, width)
	s.last = Table(v, width, s.colour)
	s.draw(&b, width, height, s.last)
	s.flush(&b)
}

func (s *Screen) showLine(v View) {
	line := Line(v)
	s.mu.Lock()
	due := line != s.lastLine && s.clock.Since(s.lastTime) >= plainInterval
	if due {
		s.lastLine, s.lastTime = line, s.clock.Now()
	}
	s.mu.Unlock()
	if due {
		s.Say(line)
	}
}

// Close takes the table away; what was said stays.
func (s *Screen) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	if width, _, terminal := s.size(); terminal {
		s.erase(&b, width)
	}
	s.last = nil
	s.flush(&b)
}

// erase moves to the table's first line and clears from there. A terminal that has become narrower since has wrapped the lines,
// so each may take several rows now.
func (s *Screen) erase(b *strings.Builder, width int) {
	rows := 0
	for _, columns := range s.shown {
		rows += max(1, (columns+width-1)/width)
	}
	if rows > 0 {
		fmt.Fprintf(b, "\x1b[%dA\r\x1b[J", rows)
	}
	s.shown = nil
}

// draw prints the lines, each cut to fit one row, and no more of them than the terminal has rows.
func (s *Screen) draw(b *strings.Builder, width, height int, lines []string) {
	if len(lines) == 0 {
		return
	}
	if height > 1 && len(lines) > height-1 {
		lines = lines[:height-1]
	}
	for _, line := range lines {
		s.shown = append(s.shown, min(columns(line), width))
		b.WriteString(clip(line, width) + "\n")
	}
}

func (s *Screen) flush(b *strings.Builder) {
	if b.Len() > 0 {
		_, _ = io.WriteString(s.out, b.String())
	}
}

// clip cuts a line to width columns, counting no ANSI sequence.
func clip(line string, width int) string {
	if columns(line) <= width {
		return line
	}
	var out strings.Builder
	left, inside := width, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			inside = true
		case inside:
			inside = r != 'm'
		case left == 0:
			continue
		default:
			left--
		}
		out.WriteRune(r)
	}
	return out.String()
}

// columns counts the characters of a line without its ANSI sequences.
func columns(line string) int {
	n, inside := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			inside = true
		case inside:
			inside = r != 'm'
		default:
			n++
		}
	}
	return n
}
