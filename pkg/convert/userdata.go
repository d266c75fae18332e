package convert

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

const pathUserData = "spec.metadata.user_data"

// maxUserData bounds what compressed user data may become; OCI's limit for it is far below.
const maxUserData = 1 << 20

// userData takes the program over that the source's class runs in place of the source's own. The target has that as well:
// imageFamily Custom. Where all that the program does is to start the node, as the source asks for with Ubuntu images, the target's
// own start is used.
func (c *classConversion) userData() {
	encoded := c.from.Metadata["user_data"]
	if encoded == "" {
		return
	}
	program, ok := decodeUserData(encoded)
	switch {
	case !ok:
		c.warn(pathUserData, "is not text in base64; it is left out, and nodes are started as OKE's images are")
		return
	case onlyBootstraps(program):
		c.to.ImageFamily = string(v1alpha1.ImageFamilyUbuntu)
		return
	}
	c.to.ImageFamily = string(v1alpha1.ImageFamilyCustom)
	c.to.UserData = &program
	c.warn(pathUserData, "runs as it is, alone, with imageFamily Custom, and has to make the node join; the metadata keys that it may read are the same")
}

func decodeUserData(encoded string) (string, bool) {
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", false
	}
	if bytes.HasPrefix(decoded, []byte{0x1f, 0x8b}) {
		r, err := gzip.NewReader(bytes.NewReader(decoded))
		if err != nil {
			return "", false
		}
		if decoded, err = io.ReadAll(io.LimitReader(r, maxUserData)); err != nil {
			return "", false
		}
	}
	return string(decoded), utf8.Valid(decoded)
}

// onlyBootstraps is true for a cloud-config or a shell script whose one command is `oke bootstrap`.
func onlyBootstraps(program string) bool {
	if strings.HasPrefix(program, "#cloud-config") {
		var config map[string]any
		if yaml.Unmarshal([]byte(program), &config) != nil || len(config) != 1 {
			return false
		}
		commands, _ := config["runcmd"].([]any)
		return len(commands) == 1 && isBootstrap(commands[0])
	}
	if !strings.HasPrefix(program, "#!") {
		return false
	}
	var commands []string
	for line := range strings.Lines(program) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "set -") {
			commands = append(commands, line)
		}
	}
	return len(commands) == 1 && isBootstrap(commands[0])
}

// isBootstrap is true for the command that starts a node, written as a text or as a list of words.
func isBootstrap(command any) bool {
	var words []string
	switch c := command.(type) {
	case string:
		words = strings.Fields(c)
	case []any:
		for _, word := range c {
			words = append(words, manifest.Text(word))
		}
	}
	if len(words) > 0 && words[0] == "sudo" {
		words = words[1:]
	}
	return slices.Equal(words, []string{"oke", "bootstrap"})
}
