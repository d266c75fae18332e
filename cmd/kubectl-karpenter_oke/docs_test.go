package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/docs/markdown"
)

// TestEveryUseOfThePluginInTheDocumentationIsOne finds commands that do not exist, and flags that they do not have.
func TestEveryUseOfThePluginInTheDocumentationIsOne(t *testing.T) {
	pages := []string{"../../README.md"}
	require.NoError(t, filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			pages = append(pages, path)
		}
		return err
	}))
	checked := 0
	for _, page := range pages {
		data, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, use := range markdown.Commands(string(data)) {
			if len(use.Words) < 3 || use.Words[0] != "kubectl" || use.Words[1] != "karpenter_oke" {
				continue
			}
			command, rest, err := newRoot().Find(use.Words[2:])
			require.NoError(t, err, "%s:%d", page, use.Line)
			require.True(t, command.HasParent(), "%s:%d: %v", page, use.Line, use.Words)
			for _, word := range rest {
				name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
				switch {
				case strings.HasPrefix(word, "--"):
					require.NotNil(t, command.Flags().Lookup(name), "%s:%d: %s", page, use.Line, word)
				case len(word) == 2 && word[0] == '-':
					require.NotNil(t, command.Flags().ShorthandLookup(name), "%s:%d: %s", page, use.Line, word)
				}
			}
			checked++
		}
	}
	require.Greater(t, checked, 10)
}
