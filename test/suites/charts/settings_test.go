package charts_test

import (
	"encoding/json"
	"flag"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/pkg/operator/options"
)

// fromResources are the flags that the chart sets from the container's resources.
var fromResources = map[string]bool{"cpu-requests": true, "memory-limit": true}

// flags are all flags of the controller, core's and ours, as --help lists them.
func flags(t *testing.T) *coreoptions.FlagSet {
	t.Helper()
	fs := &coreoptions.FlagSet{FlagSet: flag.NewFlagSet("controller", flag.ContinueOnError)}
	fs.SetOutput(io.Discard)
	for _, injectable := range coreoptions.Injectables {
		injectable.AddFlags(fs)
	}
	return fs
}

// flagOf is the flag of a setting: clusterId is cluster-id.
func flagOf(setting string) string {
	var b strings.Builder
	for _, r := range setting {
		if unicode.IsUpper(r) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func values(t *testing.T) map[string]any {
	t.Helper()
	var v struct{ Settings map[string]any }
	require.NoError(t, yaml.Unmarshal([]byte(read(t, chart+"/values.yaml")), &v))
	return v.Settings
}

// valueSchema is a part of values.schema.json.
type valueSchema struct {
	Type       any
	Enum       []any
	Properties map[string]valueSchema
}

func settingsSchema(t *testing.T) map[string]valueSchema {
	t.Helper()
	var root valueSchema
	require.NoError(t, json.Unmarshal([]byte(read(t, chart+"/values.schema.json")), &root))
	return root.Properties["settings"].Properties
}

func TestEveryFlagOfTheControllerIsASetting(t *testing.T) {
	want := []string{}
	flags(t).VisitAll(func(f *flag.Flag) {
		if !fromResources[f.Name] {
			want = append(want, f.Name)
		}
	})
	inValues, inSchema := []string{}, []string{}
	for setting := range values(t) {
		inValues = append(inValues, flagOf(setting))
	}
	for setting := range settingsSchema(t) {
		inSchema = append(inSchema, flagOf(setting))
	}
	for file, got := range map[string][]string{"values.yaml": inValues, "values.schema.json": inSchema} {
		missing, unknown := lo.Difference(want, got)
		require.Empty(t, missing, "flags of the controller that charts/karpenter-oke/%s does not list under settings, in camelCase", file)
		require.Empty(t, unknown, "settings of charts/karpenter-oke/%s that are no flags of the controller", file)
	}
}

func TestEveryFeatureGateOfCoreIsASetting(t *testing.T) {
	want, got := []string{}, []string{}
	for _, gate := range coreoptions.KarpenterFeatureGates {
		want = append(want, gate.Name)
	}
	for gate := range settingsSchema(t)["featureGates"].Properties {
		got = append(got, gate)
	}
	require.ElementsMatch(t, want, got)
}

// authority is base64 of a certificate in PEM that signs nothing.
const authority = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJjVENDQVJlZ0F3SUJBZ0lVZmlTcGpWR0tjS2V3bk9za3Z3Wkl2dVBNUjVVd0NnWUlLb1pJemowRUF3" +
	"SXcKRFRFTE1Ba0dBMVVFQXd3Q1kyRXdJQmNOTWpZeE1USXlNRGd5TlRBMldoZ1BNakV5TmpFd01qa3dPREkxTURaYQpNQTB4Q3pBSkJnTlZCQU1NQW1OaE1G" +
	"a3dFd1lIS29aSXpqMENBUVlJS29aSXpqMERBUWNEUWdBRTROUFZocWxjCkJvNjZQWXMyYkpvT2UweTJhYWM5WGhaOStsSGNKTjQ5RUJMZ1JkaVJWTDRiYVNB" +
	"L08xYURYZWZzdlZmV0ViR3EKdEVPa0ZvK0lXblZhTmFOVE1GRXdIUVlEVlIwT0JCWUVGSmRZVmtFNmp5YkpwUnl5QTlHQXdlZ3RuT0FrTUI4RwpBMVVkSXdR" +
	"WU1CYUFGSmRZVmtFNmp5YkpwUnl5QTlHQXdlZ3RuT0FrTUE4R0ExVWRFd0VCL3dRRk1BTUJBZjh3CkNnWUlLb1pJemowRUF3SURTQUF3UlFJaEFNR3RUZTlY" +
	"NEJVdWNkZXFSdi8yYkhsa3ZSZHRidWpPVEZlUDluMVQKUmRnUkFpQjh5azY2UTAvN2x3OFdpN3E2NlpRU0FTSGJqN1N1R3JxVWhRaW5nUVhLbGc9PQotLS0t" +
	"LUVORCBDRVJUSUZJQ0FURS0tLS0tCg=="

func TestEverySettingReachesTheController(t *testing.T) {
	settings := map[string]any{
		"clusterId": "", "compartmentId": "", // given by required
		"clusterEndpoint": "10.0.0.9", "clusterDnsIp": "10.96.5.5", "clusterVersion": "v1.34.1", "clusterPodNetwork": "Flannel", "clusterCaBundle": authority,
		"okeImageCompartmentId": "ocid1.compartment.oc1..images", "ociAuth": "api-key", "ociRegion": "us-phoenix-1", "ociEndpoint": "https://oci.example",
		"ociConfigFile": "/etc/oci/other", "ociConfigProfile": "NODES", "virtualNodeTaint": "burst:NoExecute", "virtualNodeConsolidation": "ignore",
		"virtualNodeDisabledRules": []string{"seccomp", "sub-path"}, "virtualNodeGracePeriod": "90s", "virtualNodeOverflowAfter": "1h30m",
		"batchIdleDuration": "1.5s", "batchMaxDuration": "20s", "preferencePolicy": "Ignore", "minValuesPolicy": "BestEffort", "ignoreDraRequests": false,
		"legacyNodeRepair": true, "featureGates": map[string]bool{"NodeRepair": true, "ReservedCapacity": false}, "kubeClientQps": 1000000, "kubeClientBurst": 400,
		"disableLeaderElection": true, "disableControllerWarmup": false, "disableClusterStateObservability": true, "enableProfiling": true,
		"leaderElectionName": "karpenter-b", "leaderElectionNamespace": "kube-system", "logLevel": "debug", "logOutputPaths": "stderr",
		"logErrorOutputPaths": "stdout", "metricsPort": 9090, "healthProbePort": 9091, "karpenterService": "karpenter",
		"systemNamespace": "kube-system", "startTimeout": "3m", "interruptionStreamId": "ocid1.stream.oc1.phx.a", "preemptionPollInterval": "20s",
		"maintenanceReplaceBefore": "48h", "maintenanceDeleteBefore": "2h", "flexSizing": "Grid", "priceRefresh": true, "priceRefreshInterval": "6h",
		"priceRefreshTimeout": "10s", "priceListUrl": "https://prices.example/list", "priceCurrency": "EUR", "priceDiscounts": []string{"VM.Standard.E5*=0.8", "*=0.9"},
		"shapeOverrides":        []any{map[string]any{"match": "VM.Standard.E7.*", "arch": "amd64", "vcpusPerOcpu": 2}},
		"virtualNodeMarkers":    []string{"label:type=virtual-node", "annotation:example.com/virtual"},
		"virtualNodeExtraRules": []any{map[string]any{"name": "quoted", "expression": `has(pod.spec.dnsPolicy) && pod.spec.dnsPolicy == "None"`, "message": "has 'its own' <DNS>"}},
		"ociRateLimitReads":     7.5, "ociRateLimitWrites": 5, "ociRateLimitLaunches": 2,
		"schedulerConfig": "podTopologySpread: {defaultConstraints: []}",
	}
	for setting, value := range values(t) {
		if _, ok := settings[setting]; !ok && value != nil && value != "" {
			settings[setting] = value
		}
	}
	data, err := json.Marshal(settings)
	require.NoError(t, err)
	args := controllerArgs(t, "--set-json", "settings="+string(data))
	require.Len(t, args, len(settings))

	fs := flags(t)
	require.NoError(t, fs.Parse(args))
	core, own := &coreoptions.Options{}, &options.Options{}
	coreFlags := &coreoptions.FlagSet{FlagSet: flag.NewFlagSet("all", flag.ContinueOnError)}
	core.AddFlags(coreFlags)
	own.AddFlags(coreFlags)
	require.NoError(t, core.Parse(coreFlags, args...))
	require.NoError(t, own.Parse(coreFlags, args...))
	require.Equal(t, "ocid1.cluster.oc1.phx.a", own.ClusterID)
	require.Equal(t, []string{"seccomp", "sub-path"}, own.VirtualNode.DisabledRules)
	require.InDelta(t, 7.5, own.OCI.RateLimits.Reads, 0)
	require.Len(t, own.VirtualNode.ExtraRules, 1)
	require.Equal(t, "has 'its own' <DNS>", own.VirtualNode.ExtraRules[0].Message)
	require.Len(t, own.ShapeOverrides, 1)
	require.Equal(t, "burst", own.VirtualNode.Taint.Key)
	require.Equal(t, 90*time.Minute, own.VirtualNode.OverflowAfter)
	require.Equal(t, "ocid1.stream.oc1.phx.a", own.Interruption.StreamID)
	require.Equal(t, 48*time.Hour, own.Interruption.ReplaceBefore)
	require.Equal(t, 1000000, core.KubeClientQPS)
	require.False(t, core.IgnoreDRARequests)
	require.True(t, core.FeatureGates.NodeRepair)
	require.False(t, core.FeatureGates.ReservedCapacity)
	require.Equal(t, "podTopologySpread: {defaultConstraints: []}", coreFlags.Lookup("scheduler-config").Value.String())
}

func TestWhatIsLeftOutIsTheControllersDefault(t *testing.T) {
	args := controllerArgs(t)
	fs := flags(t)
	defaults := map[string]string{}
	fs.VisitAll(func(f *flag.Flag) { defaults[f.Name] = f.DefValue })
	require.NoError(t, fs.Parse(args))
	fs.Visit(func(f *flag.Flag) {
		// The booleans of core have no printable value.
		if f.Name != "cluster-id" && f.Name != "compartment-id" && f.Name != "disable-leader-election" {
			require.Equal(t, defaults[f.Name], f.Value.String(), f.Name)
		}
	})
	require.Contains(t, args, "--disable-leader-election=false")
}
