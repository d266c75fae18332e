package cluster

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/binaries"
)

// DefaultDNSServiceIP is the cluster DNS address of an OKE cluster that was made with the default services range.
const DefaultDNSServiceIP = "10.96.5.5"

// Options of a plane. The zero value starts one from the repository's bin/ in a new folder under its out/.
type Options struct {
	BinDir  string    // where the binaries are; default: the repository's bin/
	WorkDir string    // data, logs, certificates, kubeconfig; default: a new folder in the repository's out/planes/
	Log     io.Writer // one line per step; nil is silent

	KeepWorkDir bool // Stop leaves WorkDir in place
	AuditLog    bool // record every request's user, verb and resource in WorkDir/audit.jsonl

	DNSServiceIP string // cluster IP of Service kube-system/kube-dns; default DefaultDNSServiceIP

	// NodeMonitorGrace is how long a node may miss heartbeats before it is marked NotReady; default 40 s, as Kubernetes does.
	NodeMonitorGrace time.Duration
	// StartTimeout bounds the whole start; default 2 minutes (a warm plane takes 5 s, a loaded machine much longer).
	StartTimeout time.Duration

	ExtraAPIServerArgs         []string // appended, so they win
	ExtraSchedulerArgs         []string
	ExtraControllerManagerArgs []string
}

func (o Options) withDefaults() (Options, error) {
	if o.BinDir == "" {
		dir, err := binaries.Find()
		if err != nil {
			return o, err
		}
		o.BinDir = dir
	}
	if o.WorkDir == "" {
		parent := filepath.Join(filepath.Dir(o.BinDir), "out", "planes")
		if err := os.MkdirAll(parent, 0o755); err != nil {
			return o, err
		}
		dir, err := os.MkdirTemp(parent, "plane-")
		if err != nil {
			return o, err
		}
		o.WorkDir = dir
	}
	dir, err := filepath.Abs(o.WorkDir)
	if err != nil {
		return o, err
	}
	o.WorkDir = dir
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.DNSServiceIP == "" {
		o.DNSServiceIP = DefaultDNSServiceIP
	}
	if o.NodeMonitorGrace == 0 {
		o.NodeMonitorGrace = 40 * time.Second
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 2 * time.Minute
	}
	return o, nil
}

func (o Options) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(o.Log, &slog.HandlerOptions{ReplaceAttr: dropTime}))
}

// dropTime leaves the time out of log lines: the callers' own output has it.
func dropTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
