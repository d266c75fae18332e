package machine

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// memFS is a machine's root file system, in memory: nothing a script does reaches the host.
type memFS struct {
	mu    sync.Mutex
	nodes map[string]*memNode // by clean absolute path
	size  int                 // bytes in all files
}

var (
	errNoSpace = errors.New("no space left on device")
	errIsDir   = errors.New("is a directory")
)

// maxFSBytes is the room on a machine's disk for what scripts write.
const maxFSBytes = 32 << 20

type memNode struct {
	name string
	dir  bool
	mode fs.FileMode
	data []byte
}

func newMemFS() *memFS {
	m := &memFS{nodes: map[string]*memNode{}}
	for _, dir := range []string{"/", "/bin", "/boot", "/etc", "/etc/crio/crio.conf.d", "/etc/containerd", "/etc/default", "/etc/kubernetes", "/etc/oke",
		"/etc/sysconfig", "/etc/sysctl.d", "/etc/systemd/system", "/home/opc", "/opt", "/root", "/tmp", "/usr/bin", "/usr/libexec", "/usr/local/bin", "/usr/sbin", "/var/lib/cloud/instance/scripts",
		"/var/lib/kubelet", "/var/log", "/var/run", "/run"} {
		m.mkdirAll(dir)
	}
	return m
}

func (m *memFS) mkdirAll(p string) {
	for p = path.Clean(p); ; p = path.Dir(p) {
		if _, ok := m.nodes[p]; !ok {
			m.nodes[p] = &memNode{name: path.Base(p), dir: true, mode: fs.ModeDir | 0o755}
		}
		if p == "/" {
			return
		}
	}
}

// MkdirAll makes a folder and its parents.
func (m *memFS) MkdirAll(p string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mkdirAll(p)
}

// WriteFile puts a file in place, making its folders.
func (m *memFS) WriteFile(p string, data []byte, mode fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p = path.Clean(p)
	m.mkdirAll(path.Dir(p))
	n, ok := m.nodes[p]
	if !ok {
		n = &memNode{name: path.Base(p), mode: mode}
		m.nodes[p] = n
	}
	if n.dir {
		return pathError("open", p, fs.ErrInvalid)
	}
	return m.set(n, slices.Clone(data))
}

func (m *memFS) set(n *memNode, data []byte) error {
	if m.size+len(data)-len(n.data) > maxFSBytes {
		return pathError("write", n.name, errNoSpace)
	}
	m.size += len(data) - len(n.data)
	n.data = data
	return nil
}

// ReadFile returns a file's content.
func (m *memFS) ReadFile(p string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.nodes[path.Clean(p)]
	switch {
	case !ok:
		return nil, pathError("open", p, fs.ErrNotExist)
	case n.dir:
		return nil, pathError("read", p, fs.ErrInvalid)
	}
	return slices.Clone(n.data), nil
}

// Stat describes a file or folder.
func (m *memFS) Stat(p string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.nodes[path.Clean(p)]
	if !ok {
		return nil, pathError("stat", p, fs.ErrNotExist)
	}
	return memInfo{name: n.name, size: int64(len(n.data)), mode: n.mode}, nil
}

// Chmod sets permission bits.
func (m *memFS) Chmod(p string, mode fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.nodes[path.Clean(p)]
	if !ok {
		return pathError("chmod", p, fs.ErrNotExist)
	}
	n.mode = n.mode.Type() | mode.Perm()
	return nil
}

// Remove deletes a path and everything below it.
func (m *memFS) Remove(p string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p = path.Clean(p)
	if _, ok := m.nodes[p]; !ok {
		return pathError("remove", p, fs.ErrNotExist)
	}
	for name, n := range m.nodes {
		if name == p || strings.HasPrefix(name, strings.TrimSuffix(p, "/")+"/") {
			m.size -= len(n.data)
			delete(m.nodes, name)
		}
	}
	m.mkdirAll("/")
	return nil
}

// CopyTree copies what is below a folder into another.
func (m *memFS) CopyTree(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mkdirAll(to)
	for _, name := range slices.Sorted(maps.Keys(m.nodes)) {
		rest, below := strings.CutPrefix(name, strings.TrimSuffix(from, "/")+"/")
		if !below {
			continue
		}
		n, copied := m.nodes[name], path.Join(to, rest)
		if n.dir {
			m.mkdirAll(copied)
			continue
		}
		m.nodes[copied] = &memNode{name: n.name, mode: n.mode}
		if err := m.set(m.nodes[copied], slices.Clone(n.data)); err != nil {
			return err
		}
	}
	return nil
}

// ReadDir lists a folder, sorted.
func (m *memFS) ReadDir(p string) ([]fs.DirEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p = path.Clean(p)
	if n, ok := m.nodes[p]; !ok || !n.dir {
		return nil, pathError("readdir", p, fs.ErrNotExist)
	}
	var out []fs.DirEntry
	for name, n := range m.nodes {
		if name != p && path.Dir(name) == p {
			out = append(out, fs.FileInfoToDirEntry(memInfo{name: n.name, size: int64(len(n.data)), mode: n.mode}))
		}
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return out, nil
}

// Open opens a file with the flags of os.OpenFile.
func (m *memFS) Open(p string, flag int, mode fs.FileMode) (io.ReadWriteCloser, error) {
	if p == "/dev/null" {
		return devNull{}, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p = path.Clean(p)
	n, ok := m.nodes[p]
	switch {
	case !ok && flag&os.O_CREATE == 0:
		return nil, pathError("open", p, fs.ErrNotExist)
	case ok && n.dir:
		return nil, pathError("open", p, errIsDir)
	case !ok:
		if parent, ok := m.nodes[path.Dir(p)]; !ok || !parent.dir {
			return nil, pathError("open", p, fs.ErrNotExist)
		}
		n = &memNode{name: path.Base(p), mode: mode.Perm()}
		m.nodes[p] = n
	}
	if flag&os.O_TRUNC != 0 {
		if err := m.set(n, nil); err != nil {
			return nil, err
		}
	}
	return &memFile{fs: m, node: n, reader: bytes.NewReader(slices.Clone(n.data)), write: flag&(os.O_WRONLY|os.O_RDWR) != 0}, nil
}

type memFile struct {
	fs     *memFS
	node   *memNode
	reader *bytes.Reader
	write  bool
}

func (f *memFile) Read(p []byte) (int, error) { return f.reader.Read(p) }

// Write appends: the shell opens files for writing either truncated or to append.
func (f *memFile) Write(p []byte) (int, error) {
	if !f.write {
		return 0, pathError("write", f.node.name, fs.ErrPermission)
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.set(f.node, append(slices.Clone(f.node.data), p...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (f *memFile) Close() error { return nil }

type devNull struct{}

func (devNull) Read([]byte) (int, error)    { return 0, io.EOF }
func (devNull) Write(p []byte) (int, error) { return len(p), nil }
func (devNull) Close() error                { return nil }

type memInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) Mode() fs.FileMode  { return i.mode }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return i.mode.IsDir() }
func (i memInfo) Sys() any           { return nil }

func pathError(op, p string, err error) error { return &fs.PathError{Op: op, Path: p, Err: err} }
