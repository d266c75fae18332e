package bootstrap

import (
	"bufio"
	"errors"
	"io"
	"mime"
	mimemultipart "mime/multipart"
	"net/textproto"
	"path"
	"regexp"
	"strings"
)

// errBrokenMIME stands for every error of the readers of MIME: theirs quote what they read, and user data is never quoted.
var errBrokenMIME = errors.New("userData begins as a MIME document and can not be read as one; check its headers, its boundary and that its last line is the closing boundary")

// maxNesting is how deep multipart documents may be put into each other.
const maxNesting = 8

// header is how a MIME document begins.
var header = regexp.MustCompile(`(?i)^(content-type|mime-version|content-[a-z-]+|from|subject|merge-type|number-attachments)\s*:`)

// userPart makes one part of the user's data, and tells which of its file names sorts last. A MIME document becomes a part with
// other parts inside, as it stands; cloud-init flattens them. A text whose first line says what it is for cloud-init goes by that
// line; any other is a shell script.
func userPart(data string) (part, string, error) {
	if trimmed := strings.TrimLeft(data, " \t\r\n"); isMIME(trimmed) {
		return mimePart(trimmed)
	}
	kind := "text/x-shellscript"
	switch {
	case strings.HasPrefix(data, "#!"):
	case strings.HasPrefix(data, "#cloud-config-archive"), strings.HasPrefix(data, "#include"), strings.HasPrefix(data, "#cloud-boothook"),
		strings.HasPrefix(data, "#part-handler"), strings.HasPrefix(data, "## template:"):
		kind = "text/plain" // cloud-init looks at the first line
	case strings.HasPrefix(data, "#cloud-config"):
		kind = "text/cloud-config"
	default:
		data = withInterpreter(data)
	}
	const name = "user-data"
	return part{headers: []string{"Content-Type: " + kind + "; charset=\"utf-8\"", "Content-Disposition: attachment; filename=\"" + name + "\""}, body: data}, name, nil
}

func isMIME(data string) bool {
	first, _, _ := strings.Cut(data, "\n")
	return header.MatchString(first)
}

// mimePart keeps the document's body as it is, and of its headers those that concern a part.
func mimePart(document string) (part, string, error) {
	reader := bufio.NewReader(strings.NewReader(document))
	headers, err := textproto.NewReader(reader).ReadMIMEHeader()
	if err != nil {
		return part{}, "", errBrokenMIME
	}
	rest, err := io.ReadAll(reader)
	if err != nil {
		return part{}, "", errBrokenMIME
	}
	p := part{body: string(rest), raw: true}
	for _, name := range []string{"Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Merge-Type", "X-Merge-Type"} {
		if value := headers.Get(name); value != "" {
			p.headers = append(p.headers, name+": "+value)
		}
	}
	last, err := lastFilename(headers, p.body, maxNesting)
	return p, last, err
}

// lastFilename reads a part, and all parts inside it, and returns the file name that sorts last.
func lastFilename(headers textproto.MIMEHeader, body string, depth int) (string, error) {
	if depth == 0 {
		return "", errBrokenMIME
	}
	last := cleanName(filename(headers))
	kind, parameters, err := mime.ParseMediaType(headers.Get("Content-Type"))
	if err != nil {
		return "", errBrokenMIME
	}
	if !strings.HasPrefix(kind, "multipart/") {
		return last, nil
	}
	if parameters["boundary"] == "" {
		return "", errBrokenMIME
	}
	reader := mimemultipart.NewReader(strings.NewReader(body), parameters["boundary"])
	for n := 0; ; n++ {
		inner, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) && n > 0 {
			return last, nil
		}
		if err != nil {
			return "", errBrokenMIME
		}
		content, err := io.ReadAll(inner)
		if err != nil {
			return "", errBrokenMIME
		}
		if inner.Header.Get("Content-Type") == "" {
			inner.Header.Set("Content-Type", "text/plain")
		}
		name, err := lastFilename(inner.Header, string(content), depth-1)
		if err != nil {
			return "", err
		}
		last = max(last, name)
	}
}

func filename(headers textproto.MIMEHeader) string {
	_, parameters, err := mime.ParseMediaType(headers.Get("Content-Disposition"))
	if err != nil {
		return ""
	}
	return path.Base(parameters["filename"])
}

// cleanName keeps the characters that cloud-init keeps in a script's file name.
func cleanName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.()", r) {
			return r
		}
		return -1
	}, name)
}

// nameAfter is a file name that sorts after another: cloud-init runs scripts in the order of their names, and the boot script
// has to be the last. It also comes after runcmd, the name of a cloud-config's commands, and part-001, that of a part without one.
func nameAfter(last string) string {
	zs := len(last) - len(strings.TrimLeft(last, "z"))
	return strings.Repeat("z", max(zs+1, 3)) + "-karpenter-oke.sh"
}
