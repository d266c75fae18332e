package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// safeBuffer can be read while the command writes.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestItServesUntilInterruptedAndPrintsHowToReachIt(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	out, ended := &safeBuffer{}, make(chan error, 1)
	c := command(out)
	c.SetArgs([]string{"--listen", "127.0.0.1:0", "--tls", "--tls-dir", filepath.Join(dir, "ca"), "--write-config", filepath.Join(dir, "oci"), "--region", "eu-frankfurt-1"})
	go func() { ended <- c.ExecuteContext(ctx) }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "# a client") }, 20*time.Second, 10*time.Millisecond)
	for _, want := range []string{"eu-frankfurt-1 (Uocm:FRA-AD-1", "export HTTPS_PROXY='http://127.0.0.1:", "export OCI_DEFAULT_CERTS_PATH='" + filepath.Join(dir, "ca", "ca.pem"),
		"export OCI_CONFIG_FILE='" + filepath.Join(dir, "oci", "config"), "OCI_REGION_METADATA"} {
		require.Contains(t, out.String(), want)
	}
	info, err := os.Stat(filepath.Join(dir, "oci", "key.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	stop()
	require.NoError(t, <-ended)
}

func TestBadInputEndsInOneLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	cases := map[string]struct {
		args []string
		want string
	}{
		"a port in use":              {[]string{"--listen", taken.Addr().String()}, "is in use: choose another with --listen"},
		"an address that is none":    {[]string{"--listen", "here"}, "listening on here"},
		"an unknown flag":            {[]string{"--regoin", "us-phoenix-1"}, "unknown flag: --regoin"},
		"an unknown argument":        {[]string{"now"}, `"now"`},
		"a region":                   {[]string{"--listen", "127.0.0.1:0", "--region", "Mars"}, `region "Mars"`},
		"a duration":                 {[]string{"--provisioning-delay", "fast"}, "fast"},
		"a fault that is no JSON":    {[]string{"--listen", "127.0.0.1:0", "--fault", "{"}, "--fault {"},
		"a fault of an unknown kind": {[]string{"--listen", "127.0.0.1:0", "--fault", `{"kind":"Earthquake"}`}, "Earthquake"},
		"verification without key":   {[]string{"--verify-signatures"}, "--write-config"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cmd := command(io.Discard)
			cmd.SetArgs(c.args)
			err := cmd.ExecuteContext(context.Background())
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}
