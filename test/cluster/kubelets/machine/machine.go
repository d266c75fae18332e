// Package machine boots a simulated instance: it runs the instance's user_data with a true shell against an in-memory disk,
// the instance metadata service and the programs of an OKE node image, and tells whether and how the kubelet was started.
//
// It is a judge: it takes nothing from the code that builds user_data. What it cannot do fails as it would on a machine.
package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/userdata"
)

// Instance is what a machine knows about itself.
type Instance struct {
	ID                 string // OCID
	DisplayName        string
	CompartmentID      string
	State              string // OCI lifecycle state, e.g. RUNNING
	Shape              string
	AvailabilityDomain string // full name, Uocm:PHX-AD-1
	FaultDomain        string
	Region             string // as the instance record has it: phx and iad are short, others are public names
	ImageID            string
	VCPUs              int
	OCPUs              float64
	MemoryGB           float64 // GiB in fact
	GPUs               int
	BootVolumeSizeGB   int64
	Preemptible        bool
	PrivateIP          string
	Metadata           map[string]string
	ExtendedMetadata   map[string]any
	FreeformTags       map[string]string
	Boots              int // grows with every start and reset
	// Image is what kind of image the machine boots: ImageOracleLinux, ImageUbuntu or ImageCustom; empty when it is not known, for
	// one that has the programs of Oracle Linux and Ubuntu.
	Image string
	// Volumes are the block volumes beside the boot volume.
	Volumes []Volume
	// LocalDrives are the NVMe drives of the machine itself, /dev/nvme0n1 and on, with nothing on them; LocalDrivesGB their size in all, in
	// GB of 10^9 bytes.
	LocalDrives   int
	LocalDrivesGB float64
}

// Kinds of images.
const (
	ImageOracleLinux = "Oracle Linux" // OKE's own: oke-install.sh, and a root file system that has to be grown
	ImageUbuntu      = "Ubuntu"       // with OKE's packages: oke bootstrap; cloud-init grows the root file system
	ImageCustom      = "Custom"       // a service of the image's own joins from the metadata service after cloud-init
)

// Join is how the install program was told to start the kubelet.
type Join struct {
	APIServerEndpoint string // host without port
	CA                []byte // PEM
	ClusterDNS        string // address; empty when not given
	KubeletExtraArgs  string // as given, one string
	InitialNodeLabels string // k=v,k=v; from the metadata service
	MaxPods           int    // from the metadata service; 0 when not given
}

// Outcome of a boot.
type Outcome struct {
	Join      *Join         // nil: the kubelet was never started
	Reason    string        // why it was not, in one line; empty when it was
	RootGrown bool          // the root file system covers the whole boot volume
	Slept     time.Duration // what the scripts slept, in the machine's own time
	Console   string        // what a console history would show
	Mounts    []Mount       // block volumes and local drives that are mounted
	// PodDiskBytes is the size of the file system that /var/lib/kubelet was put on; 0 where it is the root's.
	PodDiskBytes int64
	// ReadFile reads a file as it is on the machine's disk after the boot.
	ReadFile func(path string) ([]byte, error)
}

// Limits of one boot.
const (
	maxSlept   = 30 * time.Minute // of the machine's own time; a script that waits longer is taken to wait for ever
	maxRuntime = 20 * time.Second // of real time
	maxConsole = 256 << 10        // bytes
)

// Machine is one instance while it boots.
type Machine struct {
	inst    Instance
	fs      *memFS
	volumes map[string]*volume // by device path
	binds   map[string]string  // what is bound to a directory

	mu      sync.Mutex
	console bytes.Buffer
	join    *Join
	grown   bool
	slept   time.Duration
	refusal string // last reason why the install program refused
}

// Boot runs what the instance's user_data asks for, as cloud-init does at a first boot.
func Boot(ctx context.Context, inst Instance) Outcome {
	m := &Machine{inst: inst, fs: newMemFS(), volumes: newVolumes(inst), binds: map[string]string{}}
	m.installImage()
	reason := m.cloudInit(ctx)
	if inst.Image == ImageCustom && m.join == nil {
		reason = m.ownService(ctx)
	}
	out := Outcome{RootGrown: m.grown, Slept: m.slept, Mounts: m.mounts(), PodDiskBytes: m.podDisk(), ReadFile: m.fs.ReadFile}
	switch {
	case m.join != nil:
		out.Join = m.join
	case reason == "" && m.refusal != "":
		out.Reason = m.refusal
	case reason == "":
		out.Reason = "user_data ended without starting the kubelet (" + installPath + " was not run)"
	default:
		out.Reason = reason
	}
	if out.Reason != "" {
		m.logf("cloud-init: the kubelet was not started: %s", out.Reason)
	}
	out.Console = m.console.String()
	return out
}

// cloudInit runs all scripts, each on its own, and returns why the first failing one failed.
func (m *Machine) cloudInit(ctx context.Context) (reason string) {
	boot, err := userdata.Decode(m.inst.Metadata["user_data"])
	if err != nil {
		return err.Error()
	}
	for _, ignored := range boot.Ignored {
		m.logf("cloud-init: WARNING: %s", ignored)
	}
	for _, f := range boot.Files {
		if err := m.fs.WriteFile(f.Path, []byte(f.Body), parseMode(f.Mode, 0o644)); err != nil {
			return fmt.Sprintf("cloud-init write_files: %v", err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, maxRuntime, errors.New("it runs without end"))
	defer cancel()
	for _, s := range boot.Scripts {
		path := "/var/lib/cloud/instance/scripts/" + s.Name
		if err := m.fs.WriteFile(path, []byte(s.Body), 0o700); err != nil {
			return fmt.Sprintf("cloud-init: %v", err)
		}
		m.logf("cloud-init: running %s", path)
		status, err := m.runFile(ctx, path, nil, stdio{in: strings.NewReader(""), out: consoleWriter{m}, err: consoleWriter{m}}, nil, "/")
		switch {
		case err != nil:
			m.logf("cloud-init: %s: %v", s.Name, err)
			if reason == "" {
				reason = fmt.Sprintf("script %s: %v", s.Name, err)
			}
		case status != 0:
			m.logf("cloud-init: %s ended with status %d", s.Name, status)
			if reason == "" {
				reason = m.failure(s.Name, status)
			}
		}
	}
	return reason
}

// failure prefers the install program's own words to a bare exit status.
func (m *Machine) failure(script string, status uint8) string {
	if m.refusal != "" {
		return m.refusal
	}
	last := ""
	if lines := strings.Split(strings.TrimSpace(m.console.String()), "\n"); len(lines) > 1 {
		last = ": " + lines[len(lines)-2]
	}
	return fmt.Sprintf("script %s ended with status %d%s", script, status, last)
}

// installImage lays out the files of an OKE node image that scripts look at.
func (m *Machine) installImage() {
	files := map[string]string{
		"/etc/fstab":                            "",
		"/etc/os-release":                       "NAME=\"Oracle Linux Server\"\nVERSION=\"8.10\"\nID=\"ol\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"8.10\"\nPRETTY_NAME=\"Oracle Linux Server 8.10\"\n",
		"/etc/hostname":                         m.inst.DisplayName + "\n",
		"/etc/crio/crio.conf.d/11-default.conf": "[crio.image]\nshort_name_mode=\"enforcing\"\n",
	}
	if m.inst.Image != ImageUbuntu {
		files[installPath] = "#!/bin/bash\n# provided by the node image\n"
		files[growfsPath] = files[installPath]
	} else {
		files["/etc/os-release"] = "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\nPRETTY_NAME=\"Ubuntu 24.04 LTS\"\n"
		m.grown = true
	}
	for path, body := range files {
		// A fresh disk has room for them.
		_ = m.fs.WriteFile(path, []byte(body), 0o755)
	}
	for name := range commands {
		if !m.has(name) {
			continue
		}
		_ = m.fs.WriteFile("/usr/bin/"+name, []byte("#!binary\n"), 0o755)
	}
}

// has tells whether the image brings a program. Those of the other family are missing.
func (m *Machine) has(name string) bool {
	switch name {
	case "oke":
		return m.inst.Image != ImageOracleLinux && m.inst.Image != ImageCustom
	case "oci-growfs":
		return m.inst.Image != ImageUbuntu
	}
	return commands[name] != nil
}

// ownService is what a custom image runs by itself: OKE's installer with what the metadata service says. It returns why the
// kubelet was not started.
func (m *Machine) ownService(ctx context.Context) string {
	m.logf("the image's own service joins from the metadata service")
	c := &call{m: m, ctx: ctx, args: []string{installPath}, dir: "/", stdio: stdio{in: strings.NewReader(""), out: consoleWriter{m}, err: consoleWriter{m}}}
	if _, err := okeInstall(c); err != nil {
		return err.Error()
	}
	return m.refusal
}

func (m *Machine) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(consoleWriter{m}, format+"\n", args...)
}

// refuse records why the install program did not start the kubelet.
func (m *Machine) refuse(format string, args ...any) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusal = fmt.Sprintf(format, args...)
	return m.refusal
}

// consoleWriter collects a machine's console output; what does not fit is dropped.
type consoleWriter struct{ m *Machine }

func (w consoleWriter) Write(p []byte) (int, error) {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	if w.m.console.Len()+len(p) <= maxConsole {
		w.m.console.Write(p)
	}
	return len(p), nil
}
