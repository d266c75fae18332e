// Package userdata reads an instance's user_data the way cloud-init does: base64, optionally gzip, either one script or a
// MIME multipart archive of scripts and cloud-config parts.
package userdata

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDecoded bounds what a gzip stream may unfold to, bytes.
const maxDecoded = 4 << 20

// Script is one program that cloud-init runs at the first boot.
type Script struct {
	Name string // file name below cloud-init's scripts folder; scripts run in the order of their names
	Body string
}

// File is written before any script runs.
type File struct {
	Path string
	Body string
	Mode string // octal, e.g. "0644"; empty for the default
}

// Boot is everything that a user_data asks for.
type Boot struct {
	Files   []File
	Scripts []Script
	// Ignored says why parts were not used, as cloud-init warns in its log.
	Ignored []string
}

// Decode reads user_data as it stands in the instance's metadata. An error means that cloud-init would find nothing to run.
func Decode(encoded string) (Boot, error) {
	if strings.TrimSpace(encoded) == "" {
		return Boot{}, errors.New("the instance has no user_data")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return Boot{}, fmt.Errorf("user_data is not base64: %w", err)
	}
	raw, err = gunzip(raw)
	if err != nil {
		return Boot{}, fmt.Errorf("user_data: %w", err)
	}
	var b Boot
	if err := b.add(raw, "", nil, ""); err != nil {
		return Boot{}, err
	}
	slices.SortStableFunc(b.Scripts, func(x, y Script) int { return strings.Compare(x.Name, y.Name) })
	if len(b.Scripts) == 0 && len(b.Files) == 0 {
		return Boot{}, fmt.Errorf("user_data has nothing that cloud-init runs (%s)", strings.Join(b.Ignored, "; "))
	}
	return b, nil
}

// add takes one part; contentType is empty for the whole user_data, whose kind its first bytes tell. A multipart document inside
// another has its boundary in the parameters of its type; otherwise its own headers stand in the data.
func (b *Boot) add(data []byte, contentType string, parameters map[string]string, filename string) error {
	data, err := gunzip(data)
	if err != nil {
		return err
	}
	kind := contentType
	if byContent := sniff(data); byContent != "" && (kind == "" || kind == "text/plain" || kind == "application/octet-stream" || kind == "application/x-gzip" || kind == "application/gzip") {
		kind = byContent
	}
	switch kind {
	case "multipart/mixed":
		if parameters["boundary"] != "" {
			return b.parts(bytes.NewReader(data), parameters["boundary"])
		}
		return b.multipart(data)
	case "text/x-shellscript", "text/x-shellscript-per-instance", "text/x-shellscript-per-once", "text/x-shellscript-per-boot":
		if !bytes.HasPrefix(data, []byte("#!")) {
			b.Ignored = append(b.Ignored, fmt.Sprintf("script %s has no #! line: exec format error", b.scriptName(filename)))
			return nil
		}
		b.Scripts = append(b.Scripts, Script{Name: b.scriptName(filename), Body: string(data)})
		return nil
	case "text/cloud-config":
		return b.cloudConfig(data)
	default:
		b.Ignored = append(b.Ignored, fmt.Sprintf("unhandled part %q of type %q, it begins with %q", filename, contentType, head(data)))
		return nil
	}
}

func (b *Boot) scriptName(filename string) string {
	if filename != "" {
		return path.Base(filename)
	}
	return fmt.Sprintf("part-%03d", len(b.Scripts)+1)
}

func (b *Boot) multipart(data []byte) error {
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("user_data is a broken MIME message: %w", err)
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("user_data has a broken Content-Type: %w", err)
	}
	if params["boundary"] == "" {
		return errors.New("user_data is multipart without a boundary")
	}
	return b.parts(msg.Body, params["boundary"])
}

func (b *Boot) parts(body io.Reader, boundary string) error {
	reader := multipart.NewReader(body, boundary)
	for n := 0; ; n++ {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			if n == 0 {
				return errors.New("user_data is multipart without any part")
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("user_data is a broken MIME message: %w", err)
		}
		body, err := decodePart(part)
		if err != nil {
			return fmt.Errorf("user_data part %d: %w", n+1, err)
		}
		contentType := part.Header.Get("Content-Type")
		if contentType == "" {
			contentType = "text/plain"
		}
		kind, parameters, err := mime.ParseMediaType(contentType)
		if err != nil {
			return fmt.Errorf("user_data part %d has a broken Content-Type: %w", n+1, err)
		}
		if err := b.add(body, kind, parameters, part.FileName()); err != nil {
			return err
		}
	}
}

func decodePart(part *multipart.Part) ([]byte, error) {
	var r io.Reader = part
	switch strings.ToLower(part.Header.Get("Content-Transfer-Encoding")) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, &skipSpace{r: part})
	case "quoted-printable":
		r = quotedprintable.NewReader(part)
	case "", "7bit", "8bit", "binary":
		text, err := io.ReadAll(io.LimitReader(part, maxDecoded))
		return asPythonReads(text), err
	default:
		return nil, fmt.Errorf("unknown Content-Transfer-Encoding %q", part.Header.Get("Content-Transfer-Encoding"))
	}
	return io.ReadAll(io.LimitReader(r, maxDecoded))
}

// asPythonReads is what the email library under cloud-init makes of a part that is not encoded: text outside ASCII comes out as
// Latin-1 and escapes, which breaks it.
func asPythonReads(text []byte) []byte {
	if !utf8.Valid(text) || !bytes.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) {
		return text
	}
	var out []byte
	for _, r := range string(text) {
		switch {
		case r <= unicode.MaxLatin1:
			out = append(out, byte(r))
		case r <= 0xffff:
			out = fmt.Appendf(out, "\\u%04x", r)
		default:
			out = fmt.Appendf(out, "\\U%08x", r)
		}
	}
	return out
}

// skipSpace drops white space, which MIME allows inside base64.
type skipSpace struct{ r io.Reader }

func (s *skipSpace) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	kept := 0
	for _, c := range p[:n] {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			p[kept] = c
			kept++
		}
	}
	return kept, err
}

// sniff tells a part's kind by its first bytes, as cloud-init does.
func sniff(data []byte) string {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case bytes.HasPrefix(data, []byte("#!")):
		return "text/x-shellscript"
	case bytes.HasPrefix(data, []byte("#cloud-config")):
		return "text/cloud-config"
	case hasPrefixFold(trimmed, "content-type: multipart/"), hasPrefixFold(trimmed, "mime-version:"):
		return "multipart/mixed"
	}
	return ""
}

func hasPrefixFold(data []byte, prefix string) bool {
	return len(data) >= len(prefix) && strings.EqualFold(string(data[:len(prefix)]), prefix)
}

func gunzip(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, nil
	}
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("broken gzip: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(zr, maxDecoded+1))
	if err != nil {
		return nil, fmt.Errorf("broken gzip: %w", err)
	}
	if len(out) > maxDecoded {
		return nil, fmt.Errorf("gzip unfolds to more than %d bytes", maxDecoded)
	}
	return out, nil
}

func head(data []byte) string {
	if len(data) > 24 {
		data = data[:24]
	}
	return string(data)
}
