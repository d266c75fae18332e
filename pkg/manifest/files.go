package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// extensions are of the files that are read from a directory.
var extensions = []string{".yaml", ".yml", ".json"}

// Files reads what a user names.
type Files struct {
	// In is what "-" names.
	In io.Reader
	// Recursive reads the directories in a directory too.
	Recursive bool
	// Parse reads a text: Read or ReadAll.
	Parse func(source string, text []byte) ([]Document, error)
}

// Read reads files, the YAML and JSON files of directories in the order of their names, and standard input for "-". It returns
// what could be read even with an error, which joins one for each file that could not.
func (f Files) Read(names ...string) ([]Document, error) {
	var out []Document
	var errs []error
	for _, name := range names {
		documents, err := f.read(name)
		out = append(out, documents...)
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

func (f Files) read(name string) ([]Document, error) {
	if name == "-" {
		text, err := io.ReadAll(f.In)
		if err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		return f.Parse("standard input", text)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return f.readFile(name)
	}
	files, err := f.list(name)
	if err != nil {
		return nil, err
	}
	var out []Document
	var errs []error
	for _, file := range files {
		documents, err := f.readFile(file)
		out = append(out, documents...)
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// list returns the files of a directory, sorted. It is an error if there is none.
func (f Files) list(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != dir && (!f.Recursive || strings.HasPrefix(e.Name(), ".")):
			return fs.SkipDir
		case !e.IsDir() && slices.Contains(extensions, strings.ToLower(filepath.Ext(path))):
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no .yaml, .yml or .json file", dir)
	}
	return files, err
}

func (f Files) readFile(name string) ([]Document, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return f.Parse(name, text)
}
