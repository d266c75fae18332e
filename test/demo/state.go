package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// nullSignal only asks whether a process is there.
const nullSignal = syscall.Signal(0)

// clustersDir holds a folder for each cluster in the background.
var clustersDir = filepath.Join("out", "up")

// cluster describes a cluster in the background, in out/up/<name>/state.json.
type cluster struct {
	Name          string    `json:"name"`
	Owner         identity  `json:"owner"` // the process that owns all its parts
	Dir           string    `json:"dir"`
	Kubeconfig    string    `json:"kubeconfig"`
	OCIURL        string    `json:"oci_url"`
	OCIConfig     string    `json:"oci_config"`
	MetricsURL    string    `json:"metrics_url"`
	ControllerLog string    `json:"controller_log"`
	LogDir        string    `json:"log_dir"`
	Started       time.Time `json:"started"`
}

func stateFile(name string) string { return filepath.Join(clustersDir, name, "state.json") }

func (c cluster) write() error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state of cluster %s: %w", c.Name, err)
	}
	return record.WriteFile(stateFile(c.Name), append(data, '\n'))
}

func readCluster(name string) (cluster, error) {
	var c cluster
	data, err := os.ReadFile(stateFile(name))
	if err != nil {
		return c, fmt.Errorf("reading the state of cluster %s: %w", name, err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("reading the state of cluster %s: %w", name, err)
	}
	return c, nil
}

// forget removes the state file, and its folder when nothing else is in it.
func (c cluster) forget() error {
	if err := os.Remove(stateFile(c.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the state of cluster %s: %w", c.Name, err)
	}
	_ = os.Remove(filepath.Dir(stateFile(c.Name))) // fails when logs are in it, which stay
	return nil
}

// clusters lists the clusters in the background, ended ones that nobody cleaned up too.
func clusters() ([]cluster, error) {
	files, err := filepath.Glob(stateFile("*"))
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	slices.Sort(files)
	var out []cluster
	for _, file := range files {
		c, err := readCluster(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// claimDir makes sure that one cluster alone writes into a folder, until the returned function is called or the process ends.
func claimDir(dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder %s: %w", dir, err)
	}
	lock := flock.New(filepath.Join(dir, ".lock"))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the folder %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("another cluster is using %s: end it first (`make down NAME=%s`, or Ctrl-C where it runs) or choose another folder with --out", dir, filepath.Base(dir))
	}
	return func() { _ = lock.Unlock() }, nil
}
