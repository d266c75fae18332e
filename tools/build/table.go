package main

// Versions of what is built; a module's go.mod under tools/ pins the same version (checked by a test).
const (
	kubernetesVersion = "v1.36.3"
	etcdVersion       = "v3.7.3"
	kwokVersion       = "v0.8.0"
	helmVersion       = "v4.3.0"
	controllerGen     = "v0.23.0"
	golangciLint      = "v2.15.0"
	metricsServer     = "v0.9.0"
	helmDocs          = "v1.14.2"
	govulncheck       = "v1.8.0"
)

// Groups of tools, for --group.
const (
	groupCluster = "cluster" // runs a control plane and installs into it
	groupLint    = "lint"    // generates and checks code
	groupE2E     = "e2e"     // runs beside a control plane in wide end-to-end specs only
)

// tool is one row of the table: everything needed to build one program. To add a program: a folder below tools/ with a go.mod
// that has it as a `tool` (go get -tool PACKAGE@VERSION && go mod tidy) and a row here.
type tool struct {
	Name    string // of the program, below bin/
	Group   string
	Module  string // folder below tools/
	Require string // module path whose version in Module's go.mod must be Version
	Package string // what to build
	Version string
	LDFlags string // beside -s -w
	Weight  int    // CPU-seconds of a cold build after the rows above it (measured on 2 cores); only the estimate uses it
}

const kubernetesStamps = "-X k8s.io/component-base/version.gitVersion=" + kubernetesVersion +
	" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36" +
	" -X k8s.io/component-base/version.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=" + kubernetesVersion

func kubernetesTool(name string, weight int) tool {
	return tool{
		Name: name, Group: groupCluster, Module: "kubernetes", Require: "k8s.io/kubernetes", Package: "k8s.io/kubernetes/cmd/" + name,
		Version: kubernetesVersion, LDFlags: kubernetesStamps, Weight: weight,
	}
}

func table() []tool {
	return []tool{
		{Name: "etcd", Group: groupCluster, Module: "etcd", Require: "go.etcd.io/etcd/server/v3", Package: "go.etcd.io/etcd/server/v3",
			Version: etcdVersion, Weight: 95},
		kubernetesTool("kube-apiserver", 440),
		kubernetesTool("kube-scheduler", 38),
		kubernetesTool("kube-controller-manager", 88),
		kubernetesTool("kubectl", 44),
		{Name: "kwok", Group: groupCluster, Module: "kwok", Require: "sigs.k8s.io/kwok", Package: "sigs.k8s.io/kwok/cmd/kwok",
			Version: kwokVersion, LDFlags: "-X sigs.k8s.io/kwok/pkg/consts.Version=" + kwokVersion, Weight: 136},
		{Name: "helm", Group: groupCluster, Module: "helm", Require: "helm.sh/helm/v4", Package: "helm.sh/helm/v4/cmd/helm",
			Version: helmVersion, LDFlags: "-X helm.sh/helm/v4/internal/version.version=" + helmVersion, Weight: 120},
		{Name: "controller-gen", Group: groupLint, Module: "controller-gen", Require: "sigs.k8s.io/controller-tools", Package: "sigs.k8s.io/controller-tools/cmd/controller-gen",
			Version: controllerGen, Weight: 30},
		{Name: "golangci-lint", Group: groupLint, Module: "golangci-lint", Require: "github.com/golangci/golangci-lint/v2", Package: "github.com/golangci/golangci-lint/v2/cmd/golangci-lint",
			Version: golangciLint, LDFlags: "-X main.version=" + golangciLint, Weight: 300},
		{Name: "metrics-server", Group: groupE2E, Module: "metrics-server", Require: "sigs.k8s.io/metrics-server", Package: "sigs.k8s.io/metrics-server/cmd/metrics-server",
			Version: metricsServer, LDFlags: "-X k8s.io/client-go/pkg/version.gitVersion=" + metricsServer, Weight: 240},
		{Name: "helm-docs", Group: groupLint, Module: "helm-docs", Require: "github.com/norwoodj/helm-docs", Package: "github.com/norwoodj/helm-docs/cmd/helm-docs",
			Version: helmDocs, LDFlags: "-X main.version=" + helmDocs, Weight: 60},
		{Name: "govulncheck", Group: groupLint, Module: "govulncheck", Require: "golang.org/x/vuln", Package: "golang.org/x/vuln/cmd/govulncheck",
			Version: govulncheck, Weight: 15},
	}
}
