package userdata

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func zipped(t *testing.T, s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(s))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func TestDecode(t *testing.T) {
	script := "#!/bin/bash\necho hi\n"
	mime := func(parts string) string {
		return "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"B\"\n\n" + parts + "--B--\n"
	}
	part := func(header, body string) string { return "--B\n" + header + "\n\n" + body + "\n" }
	tests := map[string]struct {
		data string
		want []Script
	}{
		"one script":                    {encode(script), []Script{{"part-001", script}}},
		"white space around the base64": {encode(script) + "\n", []Script{{"part-001", script}}},
		"a gzipped script":              {encode(zipped(t, script)), []Script{{"part-001", script}}},
		"MIME parts run by their names": {encode(mime(part("Content-Type: text/x-shellscript\nContent-Disposition: attachment; filename=\"20-b.sh\"", script) + part("Content-Type: text/x-shellscript; charset=\"utf-8\"\nContent-Disposition: attachment; filename=\"10-a.sh\"", "#!/bin/sh\ntrue"))), []Script{{"10-a.sh", "#!/bin/sh\ntrue"}, {"20-b.sh", script[:len(script)-1] + "\n"}}},
		"a base64 part":                 {encode(mime(part("Content-Type: text/x-shellscript\nContent-Transfer-Encoding: base64", encode(script)))), []Script{{"part-001", script}}},
		"text that is not ASCII breaks": {encode(mime(part("Content-Type: text/x-shellscript", "#!/bin/sh\n# é漢"))), []Script{{"part-001", "#!/bin/sh\n# \xe9\\u6f22"}}},
		"a document inside a document":  {encode(mime(part("Content-Type: multipart/mixed; boundary=\"C\"", "--C\nContent-Type: text/x-shellscript\n\n#!/bin/sh\ntrue\n--C--") + part("Content-Type: text/x-shellscript", "#!/bin/sh\nfalse"))), []Script{{"part-001", "#!/bin/sh\ntrue"}, {"part-002", "#!/bin/sh\nfalse"}}},
		"a gzipped MIME archive":        {encode(zipped(t, mime(part("Content-Type: text/plain", script)))), []Script{{"part-001", script}}},
		"commands of a cloud-config":    {encode("#cloud-config\nruncmd:\n- echo a\n- [echo, \"it's\"]\n"), []Script{{"runcmd", "#!/bin/sh\necho a\n'echo' 'it'\\''s'\n"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Decode(tt.data)
			require.NoError(t, err)
			require.Equal(t, tt.want, got.Scripts)
		})
	}
}

func TestDecodeWritesFilesOfACloudConfig(t *testing.T) {
	got, err := Decode(encode("#cloud-config\nwrite_files:\n- {path: /etc/a, content: aGk=, encoding: b64, permissions: '0600'}\n"))
	require.NoError(t, err)
	require.Equal(t, []File{{Path: "/etc/a", Body: "hi", Mode: "0600"}}, got.Files)
}

func TestDecodeRefuses(t *testing.T) {
	tests := map[string]struct{ data, why string }{
		"nothing":                                {"", "no user_data"},
		"text that is not base64":                {"#!/bin/bash", "not base64"},
		"broken gzip":                            {encode("\x1f\x8bxx"), "gzip"},
		"a script without an interpreter":        {encode("echo hi"), "nothing that cloud-init runs"},
		"a multipart message without a boundary": {encode("Content-Type: multipart/mixed\n\nhi"), "boundary"},
		"a multipart message without an end":     {encode("Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n"), "unexpected EOF"},
		"a broken cloud-config":                  {encode("#cloud-config\n\truncmd: ["), "cloud-config"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(tt.data)
			require.ErrorContains(t, err, tt.why)
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode("#!/bin/bash\necho hi\n"))
	f.Add(encode("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\n#!/bin/sh\n--B--\n"))
	f.Add(encode("#cloud-config\nruncmd: [a]\n"))
	f.Fuzz(func(t *testing.T, data string) {
		b, err := Decode(data)
		if err == nil {
			require.NotEmpty(t, len(b.Scripts)+len(b.Files))
		}
	})
}
