package bootstrap

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// userData is the user data before it is encoded: the boot script alone, or a MIME document in which it follows the user's parts;
// for Custom the user's own, unchanged.
func userData(node Node, args []string) (string, error) {
	if node.Family == v1alpha1.ImageFamilyCustom {
		return node.UserData, nil
	}
	join := script(node, args)
	if strings.TrimSpace(node.UserData) == "" {
		return join, nil
	}
	users, lastName, err := userPart(node.UserData)
	if err != nil {
		return "", err
	}
	return multipart(users, part{headers: []string{
		"Content-Type: text/x-shellscript; charset=\"utf-8\"",
		"Content-Disposition: attachment; filename=\"" + nameAfter(lastName) + "\"",
	}, body: join}), nil
}

// part is one part of a MIME document. Raw ones are written as they are: their headers say how the body is encoded.
type part struct {
	headers []string
	body    string
	raw     bool
}

// multipart writes a MIME document as cloud-init reads it. The boundary comes from the content, so that it is in none of the parts
// and equal parts give an equal document.
func multipart(parts ...part) string {
	hash := sha256.New()
	for _, p := range parts {
		_, _ = hash.Write([]byte(strings.Join(p.headers, "\n") + "\n\n" + p.body + "\n"))
	}
	boundary := "karpenter-oke-" + hex.EncodeToString(hash.Sum(nil))[:32]
	var b strings.Builder
	b.WriteString("Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\nMIME-Version: 1.0\n\n")
	for _, p := range parts {
		b.WriteString("--" + boundary + "\n" + strings.Join(p.headers, "\n") + "\n")
		switch {
		case p.raw:
			b.WriteString("\n" + p.body)
		case isPlain(p.body):
			b.WriteString("Content-Transfer-Encoding: 7bit\n\n" + p.body)
		default:
			b.WriteString("Content-Transfer-Encoding: base64\n\n" + wrap(base64.StdEncoding.EncodeToString([]byte(p.body))))
		}
		b.WriteString("\n")
	}
	b.WriteString("--" + boundary + "--\n")
	return b.String()
}

// isPlain tells whether every reader of MIME gives the text back as it is. Python's, which cloud-init uses, changes characters
// outside ASCII, and lines that end with carriage returns.
func isPlain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' && r != '\t' })
}

// wrap breaks base64 into lines of 76 characters, as MIME asks for.
func wrap(encoded string) string {
	const width = 76
	var b strings.Builder
	for len(encoded) > width {
		b.WriteString(encoded[:width] + "\n")
		encoded = encoded[width:]
	}
	return b.String() + encoded
}

// encode is the base64 of a document that fits into room bytes, compressed when it would not fit otherwise; cloud-init unpacks it. A
// document that does not fit even so is returned for its size to be told.
func encode(document string, room int) (string, error) {
	if plain := base64.StdEncoding.EncodeToString([]byte(document)); len(plain) <= room {
		return plain, nil
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return "", fmt.Errorf("compressing the user data: %w", err)
	}
	if _, err := w.Write([]byte(document)); err != nil {
		return "", fmt.Errorf("compressing the user data: %w", err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("compressing the user data: %w", err)
	}
	return base64.StdEncoding.EncodeToString(packed.Bytes()), nil
}
