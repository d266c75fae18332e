// Command image builds the controller's container image, for several platforms, into one file in the OCI image layout. It needs the Go
// command and no container engine: the program is static and the image holds nothing else that runs.
//
//	go run ./tools/image --version v1.2.3 [--platforms linux/amd64,linux/arm64] [--out out/image]
//
// The same sources, version and time give the same bytes. The time is SOURCE_DATE_EPOCH, else that of the last commit.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// settings are what the image depends on beside the sources.
type settings struct {
	Version   string
	Reference string // repository:tag
	Revision  string // commit
	Created   time.Time
	Platforms []string
	Binaries  map[string]string // programs that are built already, by platform
	Out       string
	RootFS    string // a folder: write the one platform's files there instead of an archive
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	s, err := parse(ctx, args)
	if err != nil {
		return err
	}
	programs := map[string][]byte{}
	for _, platform := range s.Platforms {
		if programs[platform], err = s.program(ctx, platform); err != nil {
			return err
		}
	}
	if s.RootFS != "" {
		return s.writeRootFS(ctx, programs)
	}
	return s.writeArchive(ctx, out, programs)
}

// tagRule is what registries take as a tag.
var tagRule = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

func parse(ctx context.Context, args []string) (settings, error) {
	s := settings{Binaries: map[string]string{}}
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&s.Version, "version", "", "version of the program, and the image's tag (required)")
	repository := flags.String("repository", "ghcr.io/karpenter-oke/karpenter-oke", "repository that the image is named after")
	platforms := flags.String("platforms", "linux/amd64,linux/arm64", "platforms, separated by commas")
	flags.StringVar(&s.Revision, "revision", "", "commit that is built; default: git's")
	flags.StringVar(&s.Out, "out", "out/image", "folder for the archive, the digest and the bills of materials")
	flags.StringVar(&s.RootFS, "rootfs", "", "folder for the files of the image of one platform, instead of an archive")
	flags.Func("binary", "platform=path of a program that is built already; may be given for each platform", func(text string) error {
		platform, path, ok := strings.Cut(text, "=")
		s.Binaries[platform] = path
		if !ok {
			return errors.New("want platform=path")
		}
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.Platforms = strings.Split(*platforms, ",")
	switch {
	case !tagRule.MatchString(s.Version):
		return s, fmt.Errorf("--version %q can not be a tag", s.Version)
	case s.RootFS != "" && len(s.Platforms) != 1:
		return s, errors.New("--rootfs takes the files of one platform: name it with --platforms")
	}
	for _, platform := range s.Platforms {
		if goos, goarch, ok := strings.Cut(platform, "/"); !ok || goos != "linux" || goarch == "" {
			return s, fmt.Errorf("--platforms: %q is not linux/<architecture>", platform)
		}
	}
	s.Reference = *repository + ":" + s.Version
	if s.Revision == "" {
		s.Revision = git(ctx, "rev-parse", "HEAD")
	}
	var err error
	s.Created, err = created(ctx)
	return s, err
}

// created is the time that files and image bear.
func created(ctx context.Context) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		text = git(ctx, "log", "-1", "--format=%ct")
	}
	if text == "" {
		return time.Unix(0, 0).UTC(), nil // sources without a history
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is no number of seconds", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// git asks the repository; empty where there is none.
func git(ctx context.Context, args ...string) string {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// program is the static program for a platform.
func (s *settings) program(ctx context.Context, platform string) ([]byte, error) {
	path := s.Binaries[platform]
	if path == "" {
		dir, err := os.MkdirTemp("", "karpenter-oke-image-")
		if err != nil {
			return nil, fmt.Errorf("making a folder: %w", err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		path = filepath.Join(dir, programName)
		if err := s.build(ctx, platform, path); err != nil {
			return nil, err
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the program for %s: %w", platform, err)
	}
	return data, checkProgram(data, platform)
}

func (s *settings) build(ctx context.Context, platform, path string) error {
	goos, goarch, _ := strings.Cut(platform, "/")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-ldflags", "-s -w -X sigs.k8s.io/karpenter/pkg/operator.Version="+s.Version, "-o", path, mainPackage)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the program for %s: %w: %s", platform, err, out)
	}
	return nil
}
