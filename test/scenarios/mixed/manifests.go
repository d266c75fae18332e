// Package mixed is the project's main scenario: a stateless service bursts onto virtual nodes while Karpenter adds and removes
// managed nodes for stateful pods, and neither gets in the other's way.
//
// The manifests beside this file are what a user would write. Play applies and scales them on a running cluster, Judge says from
// the recording whether everything went as it should.
package mixed

import (
	"embed"
	"fmt"
)

//go:embed *.yaml
var manifests embed.FS

// The manifests by file name.
const (
	FileNodeClass            = "ocinodeclass.yaml"
	FileNodePool             = "nodepool.yaml"
	FileAPIService           = "api-service.yaml"
	FileCPUDemo              = "karpenter-cpu-demo.yaml"
	FileReportBuilder        = "report-builder.yaml"
	FileReportBuilderManaged = "report-builder-managed.yaml"
)

// The names used in the manifests.
const (
	NodeClass            = "managed-burst-class"
	NodePool             = "managed-burst-pool"
	APIService           = "api-service"
	CPUDemo              = "karpenter-cpu-demo"
	ReportBuilder        = "report-builder"
	ReportBuilderManaged = "report-builder-managed"

	namespace = "default"
)

// The sizes that the two Deployments are scaled between.
const (
	APIServiceLow, APIServiceHigh = 2, 25
	CPUDemoLow, CPUDemoHigh       = 1, 12
)

// SkippedReason is the reason of the event that explains why Karpenter leaves a pod to the virtual nodes.
const SkippedReason = "SkippedForVirtualNode"

// Manifest returns one of the manifests.
func Manifest(file string) (string, error) {
	data, err := manifests.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("scenario mixed: %w", err)
	}
	return string(data), nil
}
