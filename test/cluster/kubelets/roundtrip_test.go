package kubelets_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/bootstrap"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/kubelet"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/machine"
)

// What went in is what the kubelet gets: whatever a node is made of, either Metadata refuses it in words, or a machine that boots
// with the metadata starts a kubelet with exactly the labels, taints, limits and settings of the node, after running exactly the
// user's scripts.

var caPEM = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

var imageOf = map[v1alpha1.ImageFamily]string{
	v1alpha1.ImageFamilyOracleOKELinux: machine.ImageOracleLinux, v1alpha1.ImageFamilyUbuntu: machine.ImageUbuntu, v1alpha1.ImageFamilyCustom: machine.ImageCustom,
}

// choices makes a node out of bytes, so that a fuzzer decides; when they run out every choice is the first.
type choices struct {
	data    []byte
	refused bool // something in the node can not be passed to a kubelet
}

func (c *choices) upTo(n int) int {
	if len(c.data) == 0 || n < 2 {
		return 0
	}
	b := int(c.data[0])
	c.data = c.data[1:]
	return b % n
}

func (c *choices) one(of ...string) string { return of[c.upTo(len(of))] }

// text is any text but NUL, with much that means something to shells, MIME readers and service managers.
func (c *choices) text(most int) string {
	pieces := []string{"a", "Z", "0", " ", "\n", "\t", "\r", "\r\n", "'", "\"", "\\", "`", "$", "$(reboot)", "${HOME}", "`id`", ";", "&", "|", "<", ">", "(", ")", "{", "}", "#", "!", "*", "?", "~", "%", "%s", "=", ":", ",", "-", "--", "\\'", "'\\''",
		"EOF\n", "\n--", "--karpenter-oke-", "é", "漢字", "\u2028", "\ufeff", "\x1b[0m", "\x7f", "Content-Type: text/plain\n\n", "=20", "exit 1\n", "fi\n", "$'", "\\n", "{{ds.meta_data}}"}
	var b strings.Builder
	for range c.upTo(most) {
		b.WriteString(c.one(pieces...))
	}
	return b.String()
}

// value is a value of a label or a taint: mostly a legal one.
func (c *choices) value() string {
	if c.upTo(40) == 1 {
		c.refused = true
		return "a" + c.one(" ", "'", "$(reboot)", "\n", ",", "=", ":", "\"", "\\", "é", "<", "-") // no such value is legal; "a-" does not end as it should
	}
	return c.one("", "a", "B.c", "x_y-z", "0", "true", "PHX-AD-1", strings.Repeat("v", 63))
}

func (c *choices) labels() map[string]string {
	labels := map[string]string{}
	for range c.upTo(8) {
		labels[c.one("team", "karpenter.sh/nodepool", "a.example/b_c", "kubernetes.io/arch", "topology.kubernetes.io/zone", "node-role.kubernetes.io/worker", "x.k8s.io/y", "node.kubernetes.io/instance-type", "N")] = c.value()
	}
	c.refused = slices.ContainsFunc(slices.Collect(maps.Values(labels)), illegal) // a bad one may have been overwritten
	return labels
}

func illegal(value string) bool {
	return kubelet.ValidateLabels(map[string]string{"k": value}) != nil
}

func (c *choices) taints() []corev1.Taint {
	taints := []corev1.Taint{{Key: "karpenter.sh/unregistered", Effect: corev1.TaintEffectNoExecute}}
	for range c.upTo(5) {
		taint := corev1.Taint{Key: c.one("a", "b.example/c", "dedicated"), Value: c.value(), Effect: corev1.TaintEffect(c.one("NoSchedule", "PreferNoSchedule", "NoExecute"))}
		for _, other := range taints {
			c.refused = c.refused || other.MatchTaint(&taint) && other.Value != taint.Value
		}
		taints = append(taints, taint)
	}
	return taints
}

func (c *choices) kubelet() *v1alpha1.KubeletConfiguration {
	k := &v1alpha1.KubeletConfiguration{ClusterDNS: [][]string{nil, {"10.96.0.10"}, {"10.96.0.10", "fd00::a"}}[c.upTo(3)]}
	for range c.upTo(9) {
		switch c.upTo(9) {
		case 0:
			k.PodsPerCore = new(int32(c.upTo(20)))
		case 1:
			k.SystemReserved = v1alpha1.ReservedResources{"cpu": c.one("100m", "1", "0.5"), "memory": c.one("100Mi", "1e6", "1G")}
		case 2:
			k.KubeReserved = v1alpha1.ReservedResources{"ephemeral-storage": c.one("1Gi", "0"), "pid": "1000"}
		case 3:
			k.EvictionHard = v1alpha1.EvictionThresholds{"memory.available": c.one("100Mi", "5%", "2.5%"), "nodefs.inodesFree": "5%"}
		case 4:
			k.EvictionSoft = v1alpha1.EvictionThresholds{"imagefs.available": c.one("10%", "1Gi")}
			k.EvictionSoftGracePeriod = map[string]metav1.Duration{"imagefs.available": {Duration: time.Duration(1+c.upTo(200)) * 977 * time.Millisecond}}
		case 5:
			k.EvictionMaxPodGracePeriod = new(int32(c.upTo(200)))
		case 6:
			k.ImageGCHighThresholdPercent, k.ImageGCLowThresholdPercent = new(int32(51+c.upTo(49))), new(int32(c.upTo(51)))
		case 7:
			k.CPUCFSQuota = new(c.upTo(2) == 1)
		case 8:
			k.ExtraArgs = []string{c.one("--v=2", "--serialize-image-pulls", "--feature-gates=A=true,B=false", "--cluster-domain=x.local")}
			if c.upTo(40) == 1 {
				k.ExtraArgs = append(k.ExtraArgs, "--v="+c.one(" ", "2 --port=1", "'", "$HOME", "\\", "\n", "`id`"))
			}
		}
	}
	c.refused = c.refused || len(k.ExtraArgs) > 1 // the second one is always bad
	return k
}

// script ends before the text that nothing could run. It ends well: what a failure does is another test's matter.
func (c *choices) script() string {
	if c.upTo(3) == 0 {
		return ""
	}
	return c.one("", "#!/bin/bash\n", "#!/usr/bin/env bash\n") + "exit 0\n" + c.text(60)
}

// userData is nothing, a script, or a MIME document, and what of it must be on the disk by file name.
func (c *choices) userData() (data string, files map[string]string) {
	switch script := c.script(); {
	case script == "":
		return "", nil
	case c.upTo(2) == 0:
		if !strings.HasPrefix(script, "#!") {
			return script, map[string]string{"user-data": "#!/usr/bin/env bash\n" + script}
		}
		return script, map[string]string{"user-data": script}
	}
	files = map[string]string{}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := range 1 + c.upTo(3) {
		name := fmt.Sprintf("%s%d.sh", c.one("10-a", "zzz", "runcmd", "zzzzzzz-karpenter-oke"), i)
		files[name] = "#!/bin/bash\nexit " + c.one("0", "3") + "\n# " + strings.Map(ascii, c.text(20))
		part, _ := w.CreatePart(textproto.MIMEHeader{"Content-Type": {"text/x-shellscript"}, "Content-Disposition": {`attachment; filename="` + name + `"`}})
		_, _ = part.Write([]byte(files[name]))
	}
	_ = w.Close()
	return "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"" + w.Boundary() + "\"\n\n" + b.String(), files
}

// ascii leaves out what cloud-init changes in parts that are not encoded.
func ascii(r rune) rune {
	if r > '~' || r == '\r' {
		return -1
	}
	return r
}

// checkRoundTrip makes a node out of the bytes and follows it to the kubelet. It tells whether the kubelet was started.
func checkRoundTrip(t *testing.T, data []byte) bool {
	t.Helper()
	c := &choices{data: data}
	family := []v1alpha1.ImageFamily{v1alpha1.ImageFamilyOracleOKELinux, v1alpha1.ImageFamilyUbuntu, v1alpha1.ImageFamilyCustom}[c.upTo(3)]
	node := bootstrap.Node{
		Family: family, Endpoint: c.one("10.0.0.14", "fd00::1"), CABundle: caPEM, DNSIP: c.one("", "10.96.5.5"), MaxPods: c.upTo(250), Labels: c.labels(), Taints: c.taints(),
		SSHAuthorizedKeys: []string{"ssh-ed25519 AAAA " + strings.ReplaceAll(c.text(5), "\n", "")}, Metadata: map[string]string{"own": c.text(10)},
	}
	if c.upTo(2) == 1 {
		node.Kubelet = c.kubelet()
	}
	var files map[string]string
	node.UserData, files = c.userData()
	if family != v1alpha1.ImageFamilyCustom {
		node.PreInstall, node.PostInstall = c.script(), c.script()
	}
	metadata, err := bootstrap.Metadata(node)
	var large *bootstrap.TooLargeError
	if errors.As(err, &large) {
		return false
	}
	require.Equal(t, c.refused, err != nil, "%v", err)
	if err != nil {
		return false
	}
	require.Equal(t, node.Metadata["own"], metadata["own"])
	require.Equal(t, node.SSHAuthorizedKeys[0], metadata["ssh_authorized_keys"])
	out := machine.Boot(t.Context(), kubelets.Instance{DisplayName: "node-a", Shape: "VM.Standard.E5.Flex", Image: imageOf[family], Metadata: metadata})
	require.NotNil(t, out.Join, "%s\n%s", out.Reason, out.Console)
	checkKubelet(t, node, *out.Join)
	if family != v1alpha1.ImageFamilyCustom {
		checkFiles(t, node, files, out)
	}
	return true
}

// checkKubelet compares the arguments of the kubelet with the node.
func checkKubelet(t *testing.T, node bootstrap.Node, join machine.Join) {
	t.Helper()
	require.Equal(t, node.Endpoint, join.APIServerEndpoint)
	require.Equal(t, caPEM, join.CA)
	got, err := kubelet.ParseArgs(join.KubeletExtraArgs)
	require.NoError(t, err)
	initial, err := kubelet.ParseLabels(join.InitialNodeLabels)
	require.NoError(t, err)
	maps.Copy(initial, got.NodeLabels)
	labels := maps.Clone(node.Labels)
	maps.DeleteFunc(labels, func(k, v string) bool { return kubelet.ValidateLabels(map[string]string{k: v}) != nil })
	require.Equal(t, labels, initial)

	want := kubelet.Config{MaxPods: node.MaxPods}
	for _, taint := range node.Taints {
		if !slices.Contains(want.Taints, taint) {
			want.Taints = append(want.Taints, taint)
		}
	}
	var dns []string
	if node.DNSIP != "" {
		dns = []string{node.DNSIP}
	}
	if k := node.Kubelet; k != nil {
		if len(k.ClusterDNS) > 0 {
			dns = k.ClusterDNS
		}
		if k.PodsPerCore != nil {
			want.PodsPerCore = int(*k.PodsPerCore)
		}
		want.SystemReserved, want.KubeReserved, want.EvictionHard, want.EvictionSoft = k.SystemReserved, k.KubeReserved, k.EvictionHard, k.EvictionSoft
		want.EvictionMaxGrace, want.ImageGCHigh, want.ImageGCLow, want.CPUCFSQuota = number(k.EvictionMaxPodGracePeriod), number(k.ImageGCHighThresholdPercent), number(k.ImageGCLowThresholdPercent), k.CPUCFSQuota
		for signal, period := range k.EvictionSoftGracePeriod {
			want.EvictionSoftGrace = map[string]time.Duration{signal: period.Duration}
		}
		for _, arg := range k.ExtraArgs {
			require.Contains(t, strings.Fields(join.KubeletExtraArgs), arg)
		}
	}
	if join.ClusterDNS != "" {
		got.ClusterDNS = append(got.ClusterDNS, join.ClusterDNS)
	}
	require.Equal(t, dns, got.ClusterDNS)
	got.NodeLabels, got.ClusterDNS = nil, nil
	require.Equal(t, want, got)
}

func number(n *int32) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}

// checkFiles compares the scripts that the machine ran with those of the node.
func checkFiles(t *testing.T, node bootstrap.Node, files map[string]string, out machine.Outcome) {
	t.Helper()
	on := func(path string) string {
		body, err := out.ReadFile(path)
		require.NoError(t, err, out.Console)
		return string(body)
	}
	for name, text := range map[string]string{"pre-install.sh": node.PreInstall, "post-install.sh": node.PostInstall} {
		if text == "" {
			continue
		}
		if !strings.HasPrefix(text, "#!") {
			text = "#!/usr/bin/env bash\n" + text
		}
		require.Equal(t, text, on("/var/lib/karpenter-oke/"+name))
	}
	for name, text := range files {
		require.Equal(t, text, on("/var/lib/cloud/instance/scripts/"+name))
	}
	require.NotContains(t, out.Console, "command not found")
}

// TestWhatWentInIsWhatTheKubeletGets is a short run of the fuzzer with chance instead of guidance.
func TestWhatWentInIsWhatTheKubeletGets(t *testing.T) {
	joined := 0
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 20))
		data := make([]byte, random.IntN(400))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if checkRoundTrip(t, data) {
				joined++
			}
		}) {
			t.FailNow()
		}
	}
	require.Greater(t, joined, 250, "most nodes must join, or little is tested")
}

func FuzzWhatWentInIsWhatTheKubeletGets(f *testing.F) {
	f.Add([]byte{})
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 21))
		data := make([]byte, 300)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkRoundTrip(t, data) })
}
