package userdata

import (
	"encoding/base64"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// cloudConfig is what is used of a #cloud-config part; other modules (packages, users, ...) do not decide whether a node joins.
type cloudConfig struct {
	WriteFiles []struct {
		Path        string `json:"path"`
		Content     string `json:"content"`
		Encoding    string `json:"encoding"`
		Permissions string `json:"permissions"`
	} `json:"write_files"`
	BootCmd []any `json:"bootcmd"`
	RunCmd  []any `json:"runcmd"`
}

func (b *Boot) cloudConfig(data []byte) error {
	var c cloudConfig
	if err := yaml.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("user_data has a broken cloud-config: %w", err)
	}
	for _, f := range c.WriteFiles {
		body, err := decodeContent(f.Content, f.Encoding)
		if err != nil {
			return fmt.Errorf("cloud-config write_files %s: %w", f.Path, err)
		}
		b.Files = append(b.Files, File{Path: f.Path, Body: body, Mode: f.Permissions})
	}
	for name, commands := range map[string][]any{"00-bootcmd": c.BootCmd, "runcmd": c.RunCmd} {
		if len(commands) == 0 {
			continue
		}
		script, err := commandScript(commands)
		if err != nil {
			return fmt.Errorf("cloud-config %s: %w", name, err)
		}
		b.Scripts = append(b.Scripts, Script{Name: name, Body: script})
	}
	return nil
}

func decodeContent(content, encoding string) (string, error) {
	switch encoding {
	case "", "text/plain":
		return content, nil
	case "b64", "base64":
		raw, err := base64.StdEncoding.DecodeString(content)
		return string(raw), err
	case "gz+b64", "gz+base64", "gzip+b64", "gzip+base64":
		raw, err := base64.StdEncoding.DecodeString(content)
		if err != nil {
			return "", err
		}
		raw, err = gunzip(raw)
		return string(raw), err
	}
	return "", fmt.Errorf("unknown encoding %q", encoding)
}

// commandScript turns runcmd entries into a shell script: a string is a shell line, a list is one command whose words are taken literally.
func commandScript(commands []any) (string, error) {
	var sb strings.Builder
	sb.WriteString("#!/bin/sh\n")
	for _, c := range commands {
		switch v := c.(type) {
		case string:
			sb.WriteString(v)
		case []any:
			for i, word := range v {
				if i > 0 {
					sb.WriteByte(' ')
				}
				sb.WriteString("'" + strings.ReplaceAll(fmt.Sprint(word), "'", `'\''`) + "'")
			}
		default:
			return "", fmt.Errorf("an entry is a %T, not a string or a list", c)
		}
		sb.WriteByte('\n')
	}
	return sb.String(), nil
}
